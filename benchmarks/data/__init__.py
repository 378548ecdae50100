"""Public data sets, brought into the form that the configs expect."""

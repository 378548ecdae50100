#!/usr/bin/env bash
# Set up .venv with one of the two stacks; `make env STACK=onedl` runs it.
#
# Safe to interrupt and to repeat. Output goes to .venv/setup.log. MMCV is
# compiled once per stack, torch and Python, and its wheel kept in the cache.
# TORCH=2.8.0 takes another torch, MAX_JOBS limits the compile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stack=$1 python=$2 py=$PWD/.venv/bin/python log=$PWD/.venv/setup.log
work=$(mktemp -d) ticker=
trap 'kill $ticker 2> /dev/null || true; rm -rf "$work"' EXIT
unset PYTHONPATH PYTHONHOME PIP_TARGET
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off

fail() {
    echo "error: $*" >&2
    exit 1
}

# step TITLE COMMAND ...: prints the last line of the log every 20 seconds
step() {
    echo "$1"
    shift
    (while sleep 20; do
        printf '  %4d s  %s\n' $SECONDS "$(tail -n 1 "$log" | cut -c -66)"
    done) &
    ticker=$!
    "$@" >> "$log" 2>&1 || {
        tail -n 25 "$log" >&2
        fail "'$*' failed, see the lines above and $log." \
            "Fix the cause and run this again"
    }
    kill $ticker
}

# modules are compiled when they are first imported, which is faster
pip() { "$py" -m pip install --no-compile -c "$work/constraints.txt" "$@"; }

# what the installed package is made of, as a tar file of fixed dates
sources() {
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
        --exclude=__pycache__ --exclude=.mim -c mmfreekd configs tools \
        requirements setup.py pyproject.toml MANIFEST.in model-index.yml \
        README.md CHANGELOG.md LICENSE
}

install_project() {
    sources | tar -x -C "$work" && pip --no-deps --no-build-isolation \
        --force-reinstall "$work" && "$py" -m mmfreekd.compat --enable
}

# MMCV loads, with CUDA operators if torch is a CUDA build
mmcv_works() {
    (cd "$work" && "$py" -c 'import torch, mmcv.ops as ops
built = ops.get_compiling_cuda_version() != "not available"
assert built or not torch.version.cuda, "MMCV has no CUDA operators"')
}

compile_mmcv() {
    local cuda compiler=${CXX:-c++} memory
    cuda=$("$py" -c 'import torch; print(torch.version.cuda or "")')
    if [[ -n $cuda ]]; then
        export FORCE_CUDA=1
        "$py" -c 'from torch.utils.cpp_extension import CUDA_HOME as home
assert home, "no nvcc"' || { echo "torch is built for CUDA $cuda, but there \
is no CUDA toolkit to compile MMCV with. docs/installation.md lists wheels \
that need no compiler"; return 1; }
    fi
    memory=$(awk '/MemAvailable/ {print int($2 / 2 ^ 21) + 1}' /proc/meminfo)
    export MMCV_WITH_OPS=1 CFLAGS='-DNDEBUG -g0 -fwrapv -O3 -w'
    export MAX_JOBS=${MAX_JOBS:-$((memory < $(nproc) ? memory : $(nproc)))}
    if "$compiler" --version | grep -q 'Free Software Foundation'; then
        ln -s "$PWD/.ci/cxx_pch" "$work/c++"
        export PCH_CXX=$compiler PCH_DIR=$work CXX=$work/c++
    fi
    rm -rf "$cache/part"
    "$py" -m pip wheel -v --no-cache-dir --no-deps --no-build-isolation \
        --no-binary "$mmcv" -w "$cache/part" \
        "$(grep "^$mmcv==" "$work/constraints.txt")" &&
        mv "$cache"/part/*.whl "$cache/"
}

install_mmcv() {
    mkdir -p "$cache"
    exec 9< "$cache"
    flock 9 # another clone may be compiling the same
    compgen -G "$cache/*.whl" || compile_mmcv || return
    pip --force-reinstall --no-deps "$cache"/*.whl || return
    pip "$cache"/*.whl || return # its dependencies
    mmcv_works || { rm "$cache"/*.whl; return 1; }
}

case $stack in
onedl) mmcv=onedl-mmcv mim=onedl-mim ;;
openmmlab) mmcv=mmcv mim=openmim ;;
*) fail "STACK must be onedl or openmmlab, got '$stack'" ;;
esac
if [[ -L .venv ]]; then
    echo "$(readlink .venv), to which .venv links, is used as it is."
    exit
fi
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' ||
    fail "Python 3.10 to 3.12 is needed: make env PYTHON=python3.11"
exec 8< requirements
flock -n 8 || { echo 'Waiting for another set-up of this clone'; flock 8; }
if [[ -e .venv && $(cat .venv/stack 2> /dev/null) != "$stack" ]]; then
    echo ".venv holds another stack than $stack: rebuilding it"
    rm -rf .venv
fi
mkdir -p .venv && echo "$stack" > .venv/stack
pins=requirements/constraints.txt
[[ -z ${TORCH:-} ]] || echo "$TORCH" > .venv/torch
torch=$(cat .venv/torch 2> /dev/null || sed -n 's/^torch==//p' $pins)
{ # another torch wants another sympy
    grep -vE "^torch==$([[ -e .venv/torch ]] && echo '|^sympy==')" $pins
    echo "torch==$torch"
} > "$work/constraints.txt"
wanted=$(cat "$work/constraints.txt" requirements/*.txt | sha256sum)
if [[ $(cat .venv/requirements 2> /dev/null) != "$wanted" ]] ||
    ! "$py" -c 'import pip' 2> /dev/null; then
    step "[1/5] .venv, for the stack $stack" "$python" -m venv .venv
    step '[2/5] PyTorch: a large download' pip torch -r requirements/build.txt
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/mmfreekd/$stack-$("$py" -c 'if 1:
        import sys, torch
        print(f"torch{torch.__version__}-cp3{sys.version_info[1]}")')
    step '[3/5] MMCV: minutes, if it has to be compiled' install_mmcv
    step '[4/5] MMDetection, MMSegmentation, MMRazor, tools' \
        pip $(printf ' -r requirements/%s.txt' runtime "$stack" tests wavelets \
            sam mim robustness)
    step '[5/5] mim' pip --no-deps "$mim"
    echo "$wanted" > .venv/requirements
    rm -f .venv/project
fi
digest=$(sources | sha256sum)
if [[ $(cat .venv/project 2> /dev/null) != "$digest" ]]; then
    step 'Installing this project into .venv' install_project
    echo "$digest" > .venv/project
fi
echo ".venv is up to date (stack $stack, torch $torch)."

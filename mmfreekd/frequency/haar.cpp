// The frequency distance and the projection onto prompts for Haar wavelets of
// up to three levels, and maps at half their size, float32, on a CPU. See
// native.py, which compiles it.
//
// A block of 8 x 8 pixels is eight vectors. Its transform is made in place: a
// coefficient of level j stands where the pixel stood from which it is
// counted. With s = 2^j, the cell of rows [is, is + s) and columns
// [ks, ks + s) keeps its low coefficient at (is, ks) until the next level
// takes it, its horizontal detail at (is + s/2, ks), the vertical one at
// (is, ks + s/2), and the diagonal one at (is + s/2, ks + s/2). "In place"
// below means this layout, with height and width padded to multiples of 8.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

typedef float Vec __attribute__((vector_size(32)));
typedef int32_t Bits __attribute__((vector_size(32)));

enum Penalty { L1, MSE, LOG_MSE };

struct Shape {
  int64_t num, channels, height, width;
  int64_t rows() const { return (height + 7) / 8; }
  int64_t columns() const { return (width + 7) / 8; }
  int64_t plane() const { return height * width; }
  int64_t padded_width() const { return 8 * columns(); }
  int64_t padded_plane() const { return 64 * rows() * columns(); }
};

inline Vec load(const float* from) {
  Vec x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

inline Vec load(const float* from, int64_t columns) {
  if (columns == 8) return load(from);
  Vec x = {};
  std::memcpy(&x, from, columns * sizeof(float));
  return x;
}

inline void store(float* to, Vec x, int64_t columns) {
  std::memcpy(to, &x, columns * sizeof(float));
}

inline void store(float* to, Vec x) { std::memcpy(to, &x, sizeof x); }

inline double total(Vec x) {
  double sum = 0;
  for (int i = 0; i < 8; i++) sum += x[i];
  return sum;
}

// Sums and differences of one level, which are their own transpose. Lanes and
// rows that hold details of a finer level stay as they are.
template <int LEVEL>
inline void butterflies(Vec (&x)[8]) {
  constexpr int step = 1 << (LEVEL - 1);
  for (int r = 0; r < 8; r += 2 * step) {
    const Vec a = x[r], b = x[r + step];
    if constexpr (LEVEL == 1) {
      x[r] = a + b, x[r + step] = a - b;
    } else if constexpr (LEVEL == 2) {
      x[r] = __builtin_shuffle(a + b, a, Bits{0, 9, 2, 11, 4, 13, 6, 15});
      x[r + step] =
          __builtin_shuffle(a - b, b, Bits{0, 9, 2, 11, 4, 13, 6, 15});
    } else {
      x[r] = __builtin_shuffle(a + b, a, Bits{0, 9, 10, 11, 4, 13, 14, 15});
      x[r + step] =
          __builtin_shuffle(a - b, b, Bits{0, 9, 10, 11, 4, 13, 14, 15});
    }
  }
  for (int r = 0; r < 8; r += step) {
    const Vec a = x[r];
    if constexpr (LEVEL == 1) {
      x[r] = a * Vec{1, -1, 1, -1, 1, -1, 1, -1} +
             __builtin_shuffle(a, Bits{1, 0, 3, 2, 5, 4, 7, 6});
    } else if constexpr (LEVEL == 2) {
      const Vec b = a * Vec{1, 1, -1, 1, 1, 1, -1, 1} +
                    __builtin_shuffle(a, Bits{2, 1, 0, 3, 6, 5, 4, 7});
      x[r] = __builtin_shuffle(b, a, Bits{0, 9, 2, 11, 4, 13, 6, 15});
    } else {
      const Vec b = a * Vec{1, 1, 1, 1, -1, 1, 1, 1} +
                    __builtin_shuffle(a, Bits{4, 1, 2, 3, 0, 5, 6, 7});
      x[r] = __builtin_shuffle(b, a, Bits{0, 9, 10, 11, 4, 13, 14, 15});
    }
  }
}

inline void transform(Vec (&x)[8], int levels) {
  butterflies<1>(x);
  if (levels > 1) butterflies<2>(x);
  if (levels > 2) butterflies<3>(x);
}

inline void transpose_of_transform(Vec (&x)[8], int levels) {
  if (levels > 2) butterflies<3>(x);
  if (levels > 1) butterflies<2>(x);
  butterflies<1>(x);
}

inline int zeros_at_end(int i, int most) {
  int zeros = 0;
  while (zeros < most && !(i >> zeros & 1)) zeros++;
  return zeros;
}

// The band of a coefficient: 0 low, then horizontal, vertical and diagonal
// detail of each level, the finest first.
inline int band_of(int levels, int row, int lane) {
  const int of_row = zeros_at_end(row, levels);
  const int of_lane = zeros_at_end(lane, levels);
  const int level = of_row < of_lane ? of_row : of_lane;
  if (level == levels) return 0;
  const int orientation = of_row == of_lane ? 2 : of_lane < of_row;
  return 1 + 3 * level + orientation;
}

// What the butterflies leave out of an orthonormal transform, and which
// coefficients are the low band's, by row and lane.
struct Layout {
  int levels;
  Vec scale[8];
  Bits low[8];
  explicit Layout(int levels) : levels(levels) {
    for (int row = 0; row < 8; row++)
      for (int lane = 0; lane < 8; lane++) {
        const int band = band_of(levels, row, lane);
        scale[row][lane] = std::ldexp(1.0f, -(band ? (band + 2) / 3 : levels));
        low[row][lane] = band ? 0 : -1;
      }
  }
};

inline Vec absolute(Vec x) { return (Vec)((Bits)x & 0x7fffffff); }

// log(1 + x) for x >= 0: of 1 + x = 2^e m the exponent, and a series in
// (m - 1) / (m + 1), m between sqrt(1/2) and sqrt(2).
inline Vec log1p(Vec x) {
  const Vec u = 1.0f + x;
  const Bits bits = (Bits)u - 0x3f3504f3;
  const Bits exponent = bits >> 23;
  const Vec m = (Vec)((Bits)u - (exponent << 23));
  const Vec z = (m - 1.0f) / (m + 1.0f), q = z * z;
  const Vec series =
      2.0f + q * (2.0f / 3 + q * (2.0f / 5 + q * (2.0f / 7 + q * 2.0f / 9)));
  const Vec log_u =
      __builtin_convertvector(exponent, Vec) * 0.69314718f + z * series;
  // 1 + x was rounded: to first order what it lost
  return log_u + (x - (u - 1.0f)) / u;
}

// Takes differences to mask * penalty'(x), and adds mask * penalty(x).
template <int PENALTY>
inline Vec penalize(Vec x, Vec mask, Vec& sum) {
  if constexpr (PENALTY == L1) {
    sum += mask * absolute(x);
    const Vec signed_mask =
        (Vec)((Bits)mask ^ ((Bits)x & (int32_t)0x80000000));
    return (Vec)((Bits)signed_mask & (Bits)(x != 0.0f));
  } else if constexpr (PENALTY == MSE) {
    const Vec weighed = mask * x;
    sum += weighed * x;
    return weighed + weighed;
  } else {
    const Vec size = absolute(x), log = log1p(size);
    sum += mask * log * log;
    const Vec slope = 2.0f * mask * log / (1.0f + size);
    return (Vec)((Bits)slope ^ ((Bits)x & (int32_t)0x80000000));
  }
}

// A feature's plane as it is compared: (x - mean) * scale.
struct Side {
  const float* at;
  float mean = 0, scale = 1;
};

struct Distance {
  Shape shape;
  const float *student, *teacher, *masks, *weights;
  int64_t masks_of_image;  // 0: one for all images
  float* gradient;         // null: the value alone
  double* values;          // (N, C)
  int levels, low_penalty;
};

struct Sums {
  Vec value = {}, gradient = {}, product = {};
};

template <int HIGH>
inline Vec penalize_row(Vec x, Vec mask, int low, Bits is_low, Vec& sum) {
  const Vec low_mask = (Vec)((Bits)mask & is_low);
  const Vec high_mask = (Vec)((Bits)mask & ~is_low);
  const Vec high = penalize<HIGH>(x, high_mask, sum);
  if (low == L1) return high + penalize<L1>(x, low_mask, sum);
  if (low == MSE) return high + penalize<MSE>(x, low_mask, sum);
  return high + penalize<LOG_MSE>(x, low_mask, sum);
}

// One block: its value, and its gradient with regard to what is compared.
template <int HIGH, bool NORMALIZE>
inline __attribute__((always_inline)) void compare_block(
    const Distance& task, const Layout& layout, Side s, Side t,
    const float* mask, float weight, float* gradient, int rows, int columns,
    Sums& sums) {
  const int64_t width = task.shape.width;
  const int64_t mask_width = task.shape.padded_width();
  const Bits inside = Bits{0, 1, 2, 3, 4, 5, 6, 7} < columns;
  Vec x[8];
  for (int r = 0; r < 8; r++) {
    x[r] = Vec{};
    if (r >= rows) continue;
    const Vec a = load(s.at + r * width, columns);
    const Vec b = load(t.at + r * width, columns);
    // the next eight rows; a prefetch beyond the end does no harm
    __builtin_prefetch(s.at + (r + 8) * width);
    __builtin_prefetch(t.at + (r + 8) * width);
    if constexpr (NORMALIZE)  // beyond the map are zeros, whatever its mean
      x[r] = (Vec)((Bits)((a - s.mean) * s.scale - (b - t.mean) * t.scale) &
                   inside);
    else
      x[r] = a - b;
  }
  transform(x, layout.levels);
  for (int r = 0; r < 8; r++) {
    const Vec d = x[r] * layout.scale[r], m = load(mask + r * mask_width);
    // every other row is none of the low band's
    const bool mixed = r % 2 == 0 && task.low_penalty != HIGH;
    x[r] = layout.scale[r] *
           (mixed ? penalize_row<HIGH>(d, m, task.low_penalty, layout.low[r],
                                       sums.value)
                  : penalize<HIGH>(d, m, sums.value));
  }
  if (!gradient) return;
  transpose_of_transform(x, layout.levels);
  for (int r = 0; r < rows; r++) {
    const Vec pull = (Vec)((Bits)(x[r] * weight) & inside);
    store(gradient + r * width, pull, columns);
    if constexpr (NORMALIZE) {
      const Vec a = load(s.at + r * width, columns);
      sums.gradient += pull;
      sums.product += pull * ((a - s.mean) * s.scale);
    }
  }
}

struct Totals {
  double value = 0, gradient = 0, product = 0;
  void add(const Sums& sums) {
    value += total(sums.value);
    gradient += total(sums.gradient);
    product += total(sums.product);
  }
};

template <int HIGH, bool NORMALIZE>
Totals compare_plane(const Distance& task, const Layout& layout, Side s,
                     Side t, const float* mask, float weight,
                     float* gradient) {
  const int64_t height = task.shape.height, width = task.shape.width;
  Totals totals;
  for (int64_t top = 0; top < height; top += 8) {
    const int rows = height - top < 8 ? height - top : 8;
    Sums sums;
    for (int64_t left = 0; left < width; left += 8) {
      const int columns = width - left < 8 ? width - left : 8;
      if (rows == 8 && columns == 8)
        compare_block<HIGH, NORMALIZE>(task, layout, s, t, mask, weight,
                                      gradient, 8, 8, sums);
      else
        compare_block<HIGH, NORMALIZE>(task, layout, s, t, mask, weight,
                                      gradient, rows, columns, sums);
      s.at += columns, t.at += columns, mask += 8;
      if (gradient) gradient += columns;
    }
    totals.add(sums);
    // to the first pixel of the next eight rows
    s.at += 7 * width, t.at += 7 * width;
    mask += 7 * task.shape.padded_width();
    if (gradient) gradient += 7 * width;
  }
  return totals;
}

// sum over a plane of (x - center)^power, power 1 or 2
template <int POWER>
double moment(const float* x, int64_t size, float center) {
  double sum = 0;
  for (int64_t from = 0; from < size; from += 1024) {
    const int64_t end = size - from < 1024 ? size : from + 1024;
    Vec part = {};
    int64_t i = from;
    for (; i + 8 <= end; i += 8) {
      const Vec d = load(x + i) - center;
      part += POWER == 1 ? d : d * d;
    }
    sum += total(part);
    for (; i < end; i++)
      sum += POWER == 1 ? x[i] - center : (x[i] - center) * (x[i] - center);
  }
  return sum;
}

// Mean and deviation of a channel over batch and space.
Side statistics(const float* x, const Shape& shape) {
  const double count = double(shape.num) * shape.plane();
  const int64_t step = shape.channels * shape.plane();
  double sum = 0, squares = 0;
  for (int64_t n = 0; n < shape.num; n++)
    sum += moment<1>(x + n * step, shape.plane(), 0);
  const float mean = sum / count;
  for (int64_t n = 0; n < shape.num; n++)
    squares += moment<2>(x + n * step, shape.plane(), mean);
  // TINY of normalize_channels
  return {x, mean, float(1 / std::sqrt(squares / count + 1e-6))};
}

// From the gradient of a normalised channel to that of the channel.
void through_statistics(const Distance& task, Side s, float* gradient,
                        const Totals& totals) {
  const double count = double(task.shape.num) * task.shape.plane();
  const float mean = totals.gradient / count;
  const float product = totals.product / count;
  const int64_t step = task.shape.channels * task.shape.plane();
  for (int64_t n = 0; n < task.shape.num; n++)
    for (int64_t i = 0; i < task.shape.plane(); i++) {
      const float normal = (s.at[n * step + i] - s.mean) * s.scale;
      float& pull = gradient[n * step + i];
      pull = s.scale * (pull - mean - normal * product);
    }
}

// The planes of one channel in all images if it is normalised, else one.
template <int HIGH, bool NORMALIZE>
void compare_group(const Distance& task, const Layout& layout, int64_t first) {
  const Shape& shape = task.shape;
  const int64_t plane = shape.plane();
  Side s{task.student + first * plane}, t{task.teacher + first * plane};
  if constexpr (NORMALIZE)
    s = statistics(s.at, shape), t = statistics(t.at, shape);
  Totals totals;
  const int64_t end = NORMALIZE ? shape.num * shape.channels : first + 1;
  for (int64_t i = first; i < end; i += shape.channels) {
    s.at = task.student + i * plane, t.at = task.teacher + i * plane;
    const Totals of_plane = compare_plane<HIGH, NORMALIZE>(
        task, layout, s, t,
        task.masks + i / shape.channels * task.masks_of_image,
        task.weights ? task.weights[i] : 1.0f,
        task.gradient ? task.gradient + i * plane : nullptr);
    task.values[i] = of_plane.value;
    totals.gradient += of_plane.gradient;
    totals.product += of_plane.product;
  }
  if (NORMALIZE && task.gradient) {
    s.at = task.student + first * plane;
    through_statistics(task, s, task.gradient + first * plane, totals);
  }
}

template <int HIGH, bool NORMALIZE>
void compare(const Distance& task, int threads) {
  const Layout layout(task.levels);
  const int64_t groups =
      NORMALIZE ? task.shape.channels : task.shape.num * task.shape.channels;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t i = 0; i < groups; i++)
    compare_group<HIGH, NORMALIZE>(task, layout, i);
}

// By which rows of a block differ in the bands that they hold: how often their
// number is divisible by two, up to the number of levels.
constexpr int PATTERN[8] = {3, 0, 1, 0, 2, 0, 1, 0};
constexpr int PATTERNS = 4;

// What a channel's coefficients count for a prompt.
struct Spread {
  Vec of[PATTERNS];
};

// (B, T, C) prompts spread over a block, for each channel and prompt.
std::vector<Spread> spread(const float* prompts, int levels, bool by_level,
                           int64_t channels, int64_t num_prompts) {
  const Layout layout(levels);
  std::vector<Spread> out(channels * num_prompts);
  for (int row = 0; row < 8; row++)
    for (int lane = 0; lane < 8; lane++) {
      int64_t band = band_of(levels, row, lane);
      if (by_level) band = (band + 2) / 3;
      for (int64_t t = 0; t < num_prompts; t++)
        for (int64_t c = 0; c < channels; c++)
          out[c * num_prompts + t].of[PATTERN[row]][lane] =
              layout.scale[row][lane] *
              prompts[(band * num_prompts + t) * channels + c];
    }
  return out;
}

// Adds the projections of one or two channels in eight rows.
template <int CHANNELS>
void project_rows(const Shape& shape, const float* x, int rows,
                  const Spread* prompts, int64_t num_prompts, int levels,
                  float* out) {
  for (int64_t left = 0; left < shape.width; left += 8) {
    const int columns = shape.width - left < 8 ? shape.width - left : 8;
    Vec block[CHANNELS][8];
    for (int c = 0; c < CHANNELS; c++) {
      const float* from = x + c * shape.plane() + left;
      for (int r = 0; r < 8; r++, from += shape.width) {
        block[c][r] = r < rows ? load(from, columns) : Vec{};
        // the channels that come next
        __builtin_prefetch(from + CHANNELS * shape.plane());
      }
      transform(block[c], levels);
    }
    for (int64_t t = 0; t < num_prompts; t++) {
      float* to = out + t * shape.padded_plane() + left;
      for (int r = 0; r < 8; r++, to += shape.padded_width()) {
        Vec sum = load(to);
        for (int c = 0; c < CHANNELS; c++)
          sum += prompts[c * num_prompts + t].of[PATTERN[r]] * block[c][r];
        store(to, sum);
      }
    }
  }
}

void project(const Shape& shape, const float* x, const float* prompts,
             int levels, bool by_level, int64_t num_prompts, float* out,
             int threads) {
  const auto table =
      spread(prompts, levels, by_level, shape.channels, num_prompts);
  const int64_t tiles = shape.num * shape.rows();
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t tile = 0; tile < tiles; tile++) {
    const int64_t n = tile / shape.rows(), top = tile % shape.rows() * 8;
    const int rows = shape.height - top < 8 ? shape.height - top : 8;
    const float* from =
        x + n * shape.channels * shape.plane() + top * shape.width;
    float* to = out + n * num_prompts * shape.padded_plane() +
                top * shape.padded_width();
    int64_t c = 0;
    for (; c + 2 <= shape.channels; c += 2)
      project_rows<2>(shape, from + c * shape.plane(), rows,
                      &table[c * num_prompts], num_prompts, levels, to);
    for (; c < shape.channels; c++)
      project_rows<1>(shape, from + c * shape.plane(), rows,
                      &table[c * num_prompts], num_prompts, levels, to);
  }
}

}  // namespace

extern "C" {

// The value of each plane (N, C), before weights, and the gradient of the
// weighed sum with regard to the student. Masks are in place, with the share
// of a coefficient in the whole; zero beyond the map.
void mmfreekd_distance(const float* student, const float* teacher,
                       const float* masks, int64_t masks_of_image,
                       const float* weights, double* values, float* gradient,
                       int64_t num, int64_t channels, int64_t height,
                       int64_t width, int levels, int low_penalty,
                       int high_penalty, int normalize, int threads) {
  const Distance task{{num, channels, height, width}, student, teacher, masks,
                      weights, masks_of_image, gradient, values, levels,
                      low_penalty};
  using Function = void (*)(const Distance&, int);
  const Function functions[2][3] = {
      {compare<L1, false>, compare<MSE, false>, compare<LOG_MSE, false>},
      {compare<L1, true>, compare<MSE, true>, compare<LOG_MSE, true>}};
  functions[normalize][high_penalty](task, threads);
}

// Adds to (N, T, H8, W8), in place, each coefficient's band projected from
// the channels of x onto the band's prompts (B, T, C).
void mmfreekd_project(const float* x, const float* prompts, float* out,
                      int64_t num, int64_t channels, int64_t height,
                      int64_t width, int64_t num_prompts, int levels,
                      int by_level, int threads) {
  project({num, channels, height, width}, x, prompts, levels, by_level,
          num_prompts, out, threads);
}

// Planes (2 height, 2 width) averaged to (height, width).
void mmfreekd_halve(const float* x, float* out, int64_t planes, int64_t height,
                    int64_t width, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t plane = 0; plane < planes; plane++) {
    const float* top = x + plane * 4 * height * width;
    float* to = out + plane * height * width;
    for (int64_t i = 0; i < height; i++, top += 4 * width, to += width) {
      const float* bottom = top + 2 * width;
      for (int64_t j = 0; j < width; j++)
        to[j] = 0.25f * (top[2 * j] + top[2 * j + 1] + bottom[2 * j] +
                         bottom[2 * j + 1]);
    }
  }
}
}

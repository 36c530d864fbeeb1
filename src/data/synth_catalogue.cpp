#include "data/synth_catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/parallel.hpp"
#include "data/synth_names.hpp"

namespace neume::data {

namespace {

// Norms of the parts of an embedding. Text sums to about 1, audio to about 30, as real encoders differ.
constexpr double kTextGenreNorm = 0.78;
constexpr double kTextStyleNorm = 0.42;
constexpr double kTextNoiseNorm = 0.46;
constexpr double kAudioSoundNorm = 26.0;
constexpr double kAudioGenreNorm = 6.0;
constexpr double kAudioNoiseNorm = 13.5;

constexpr double kQualityDeviation = 0.5;

// When items come out. Cold ones come as training (the first 0.8 of the log) ends or later, but early enough to be met.
constexpr double kOldShare = 0.7;
constexpr double kNewUntil = 0.75;
constexpr double kColdFrom = 0.78;
constexpr double kColdUntil = 0.97;
constexpr double kYearsBack = 2.0;

constexpr std::size_t kChunkItems = 1024;

/// A row of independent normals scaled to the expected norm `norm`.
void add_noise(std::span<float> row, double norm, base::Random& random) {
  const double deviation = norm / std::sqrt(static_cast<double>(row.size()));
  for (float& value : row) value += static_cast<float>(deviation * random.normal());
}

/// Adds a uniformly random direction of length `norm`.
void add_direction(std::span<float> row, double norm, base::Random& random) {
  std::vector<double> direction(row.size());
  double squares = 0.0;
  for (double& value : direction) {
    value = random.normal();
    squares += value * value;
  }
  for (std::size_t i = 0; i < row.size(); ++i) row[i] += static_cast<float>(norm * direction[i] / std::sqrt(squares));
}

double genre_weight(std::size_t genre) {
  return 1.0 / std::sqrt(static_cast<double>(genre) + 2.0);
}

std::int64_t at_share_of_log(double share) {
  return kLogBegin + static_cast<std::int64_t>(share * static_cast<double>(kLogSpan));
}

std::int64_t draw_release(bool cold, base::Random& random) {
  if (cold) return at_share_of_log(kColdFrom + (kColdUntil - kColdFrom) * random.uniform());
  if (random.uniform() >= kOldShare) return at_share_of_log(kNewUntil * random.uniform());
  const double year = 365.0 * 24 * 3600 * 1000;
  return kLogBegin - 1 - static_cast<std::int64_t>(kYearsBack * year * random.uniform());
}

}  // namespace

base::Random synth_random(const SynthOptions& options, SynthStream stream, std::uint64_t index) {
  return base::Random(base::derive_seed(base::derive_seed(options.seed, static_cast<std::uint64_t>(stream)), index));
}

std::size_t draw_genre(std::size_t num_genres, base::Random& random) {
  double total = 0.0;
  for (std::size_t genre = 0; genre < num_genres; ++genre) total += genre_weight(genre);
  double left = random.uniform() * total;
  for (std::size_t genre = 0; genre + 1 < num_genres; ++genre) {
    left -= genre_weight(genre);
    if (left < 0.0) return genre;
  }
  return num_genres - 1;
}

SynthCatalogue::SynthCatalogue(const SynthOptions& options) : options_(options) {
  draw_traits();
  draw_popularity();
  draw_centres();
}

void SynthCatalogue::draw_traits() {
  const std::size_t count = options_.items;
  style_.resize(count);
  sound_.resize(count);
  released_.resize(count);
  cold_.resize(count);
  has_audio_.resize(count);
  quality_.resize(count);
  base::parallel_for(base::num_chunks(count, kChunkItems), [&](std::size_t chunk) {
    const std::size_t end = std::min(count, (chunk + 1) * kChunkItems);
    for (std::size_t item = chunk * kChunkItems; item < end; ++item) {
      base::Random random = synth_random(options_, SynthStream::traits, item);
      const std::size_t genre = draw_genre(options_.genres, random);
      style_[item] = static_cast<std::uint32_t>(genre * options_.styles + random.index(options_.styles));
      sound_[item] = static_cast<std::uint32_t>(random.index(options_.sounds));
      cold_[item] = random.uniform() < options_.cold_share ? 1 : 0;
      released_[item] = draw_release(cold_[item] != 0, random);
      has_audio_[item] = random.uniform() < options_.missing_audio ? 0 : 1;
      quality_[item] = static_cast<float>(kQualityDeviation * random.normal());
    }
  });
  by_release_.resize(count);
  std::iota(by_release_.begin(), by_release_.end(), 0U);
  std::sort(by_release_.begin(), by_release_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return released_[a] != released_[b] ? released_[a] < released_[b] : a < b;
  });
  // In a tiny catalogue all items may be late ones; the log needs something to begin with.
  const std::uint32_t first = by_release_.front();
  if (released_[first] >= kLogBegin) {
    released_[first] = kLogBegin - 1;
    cold_[first] = 0;
  }
}

void SynthCatalogue::draw_popularity() {
  const std::size_t count = options_.items;
  std::vector<std::uint32_t> item_at_rank(count);
  std::iota(item_at_rank.begin(), item_at_rank.end(), 0U);
  base::Random random = synth_random(options_, SynthStream::popularity);
  for (std::size_t i = count; i > 1; --i) std::swap(item_at_rank[i - 1], item_at_rank[random.index(i)]);
  popularity_.resize(count);
  double total = 0.0;
  for (std::size_t rank = 0; rank < count; ++rank) {
    const double weight = std::pow(static_cast<double>(rank + 1), -options_.zipf);
    popularity_[item_at_rank[rank]] = weight;
    total += weight;
  }
  for (double& weight : popularity_) weight /= total;
}

void SynthCatalogue::draw_centres() {
  text_centres_ = Matrix(num_styles(), options_.text_width);
  sound_centres_ = Matrix(options_.sounds, options_.audio_width);
  audio_genre_centres_ = Matrix(options_.genres, options_.audio_width);
  base::Random random = synth_random(options_, SynthStream::centres);
  Matrix genre_centres(options_.genres, options_.text_width);
  for (std::size_t genre = 0; genre < options_.genres; ++genre) {
    add_direction(genre_centres.row(genre), kTextGenreNorm, random);
    add_direction(audio_genre_centres_.row(genre), kAudioGenreNorm, random);
  }
  for (std::size_t style = 0; style < num_styles(); ++style) {
    std::ranges::copy(genre_centres.row(style / options_.styles), text_centres_.row(style).begin());
    add_direction(text_centres_.row(style), kTextStyleNorm, random);
  }
  for (std::size_t sound = 0; sound < options_.sounds; ++sound) {
    add_direction(sound_centres_.row(sound), kAudioSoundNorm, random);
  }
}

std::string SynthCatalogue::genre_name(std::size_t item) const {
  return genre_name_of(genre(item));
}

std::string SynthCatalogue::style_name(std::size_t item) const {
  return style_name_of(genre(item), style(item) % options_.styles);
}

std::string SynthCatalogue::sound_name(std::size_t item) const {
  return sound_name_of(sound(item));
}

std::string SynthCatalogue::title(std::size_t item) const {
  const std::uint64_t word = base::derive_seed(options_.seed, item) % 1024;
  return fmt::format("{} ({}) {}", title_word_of(word), style_name(item), id(item));
}

void SynthCatalogue::text(std::size_t begin, MatrixView out) const {
  base::parallel_for(base::num_chunks(out.rows, kChunkItems), [&](std::size_t chunk) {
    for (std::size_t i = chunk * kChunkItems; i < std::min(out.rows, (chunk + 1) * kChunkItems); ++i) {
      base::Random random = synth_random(options_, SynthStream::text, begin + i);
      std::ranges::copy(text_centres_.row(style(begin + i)), out.row(i).begin());
      add_noise(out.row(i), kTextNoiseNorm, random);
    }
  });
}

void SynthCatalogue::audio(std::size_t begin, MatrixView out) const {
  base::parallel_for(base::num_chunks(out.rows, kChunkItems), [&](std::size_t chunk) {
    for (std::size_t i = chunk * kChunkItems; i < std::min(out.rows, (chunk + 1) * kChunkItems); ++i) {
      base::Random random = synth_random(options_, SynthStream::audio, begin + i);
      const std::span<const float> sound_centre = sound_centres_.row(sound(begin + i));
      const std::span<const float> genre_part = audio_genre_centres_.row(genre(begin + i));
      for (std::size_t j = 0; j < out.cols; ++j) out.row(i)[j] = sound_centre[j] + genre_part[j];
      add_noise(out.row(i), kAudioNoiseNorm, random);
    }
  });
}

}  // namespace neume::data

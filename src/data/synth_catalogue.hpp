#pragma once
// The items of a synthetic set: what is true of each, and the embeddings that show part of it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <neume/matrix.hpp>

#include "base/random.hpp"
#include "data/synth.hpp"

namespace neume::data {

/// Purposes for which random numbers are drawn, each with streams of its own.
enum class SynthStream : std::uint64_t {
  centres = 1,
  traits,
  text,
  audio,
  popularity,
  users,
  tastes,
  log,
  order,
  labels
};

/// Random numbers of the `index`-th user of a stream.
base::Random synth_random(const SynthOptions& options, SynthStream stream, std::uint64_t index = 0);

/// The time that the log covers, [begin, begin + span), in milliseconds since 1970.
inline constexpr std::int64_t kLogBegin = 1735689600000;  // 2025-01-01
inline constexpr std::int64_t kLogSpan = 90LL * 24 * 3600 * 1000;

/// Draws a genre; early genres are larger, as in real catalogues.
std::size_t draw_genre(std::size_t num_genres, base::Random& random);

class SynthCatalogue {
 public:
  /// `options` must be valid.
  explicit SynthCatalogue(const SynthOptions& options);

  std::size_t size() const { return style_.size(); }
  std::size_t num_styles() const { return options_.genres * options_.styles; }
  const SynthOptions& options() const { return options_; }

  // Ids in the files start at 1.
  std::int64_t id(std::size_t item) const { return static_cast<std::int64_t>(item) + 1; }
  std::size_t genre(std::size_t item) const { return style_[item] / options_.styles; }
  /// Styles are numbered over all genres: genre * styles + style in the genre.
  std::size_t style(std::size_t item) const { return style_[item]; }
  std::size_t sound(std::size_t item) const { return sound_[item]; }
  std::int64_t released(std::size_t item) const { return released_[item]; }
  bool is_cold(std::size_t item) const { return cold_[item] != 0; }
  bool has_audio(std::size_t item) const { return has_audio_[item] != 0; }
  /// What the item adds to the logit of its label; neither embedding shows it.
  float quality(std::size_t item) const { return quality_[item]; }
  /// Share of the popularity-driven exposures; sums to 1.
  double popularity(std::size_t item) const { return popularity_[item]; }
  /// Item numbers, earliest release first.
  const std::vector<std::uint32_t>& by_release() const { return by_release_; }

  std::string genre_name(std::size_t item) const;
  std::string style_name(std::size_t item) const;
  std::string sound_name(std::size_t item) const;
  /// Style, a word and the id: what a text encoder could have read.
  std::string title(std::size_t item) const;

  /// Embeddings of items [begin, begin + out.rows). An item's embedding depends on the options and the item alone.
  void text(std::size_t begin, MatrixView out) const;
  /// Also fills the rows of items without audio, which the caller leaves out.
  void audio(std::size_t begin, MatrixView out) const;

 private:
  void draw_traits();
  void draw_popularity();
  void draw_centres();

  SynthOptions options_;
  std::vector<std::uint32_t> style_;
  std::vector<std::uint32_t> sound_;
  std::vector<std::int64_t> released_;
  std::vector<std::uint8_t> cold_;
  std::vector<std::uint8_t> has_audio_;
  std::vector<float> quality_;
  std::vector<double> popularity_;
  std::vector<std::uint32_t> by_release_;
  Matrix text_centres_;         // one row a style: genre centre + style offset
  Matrix sound_centres_;        // one row a sound
  Matrix audio_genre_centres_;  // one row a genre
};

}  // namespace neume::data

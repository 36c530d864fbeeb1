#pragma once
// The listening log of a synthetic set: who meets which item when, and whether it is collected. The model is in
// synth.hpp.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <neume/progress.hpp>

#include "data/synth_catalogue.hpp"

namespace neume::data {

/// What a user likes: a style (numbered over all genres) and a sound.
struct SynthTaste {
  std::size_t style = 0;
  std::size_t sound = 0;
};

/// A user of a synthetic set; derived from the options and the user's number, never stored.
struct SynthListener {
  static constexpr std::size_t kMaxTastes = 3;

  std::array<SynthTaste, kMaxTastes> tastes;
  std::size_t num_tastes = 1;
  double text_weight = 0.5;  ///< w_u: what the text side weighs; the sound side weighs 1 - w_u

  /// In [0, 1]. match_text is 1 in the taste's style, 1/2 elsewhere in its genre, else 0; match_sound is 1 or 0.
  double affinity(const SynthCatalogue& catalogue, std::size_t item) const;
};

SynthListener synth_listener(const SynthOptions& options, std::uint64_t user);

/// All rows of the log, in the order of time.
class SynthLog {
 public:
  /// Cost: O(interactions); 13 bytes a row stay, 8 more a row and 8 a user are needed while it is made.
  explicit SynthLog(const SynthCatalogue& catalogue, const ProgressFn& progress = {});

  std::size_t size() const { return user_.size(); }
  std::uint32_t user(std::size_t row) const { return user_[row]; }
  std::uint32_t item(std::size_t row) const { return item_[row]; }
  /// Milliseconds since 1970; increases strictly with the row.
  std::int64_t timestamp(std::size_t row) const;
  std::uint8_t label(std::size_t row) const { return label_[row]; }
  /// P(label = 1) that the label was drawn with.
  double probability(std::size_t row) const;

  /// Rows [0, train_end) are training, [train_end, validation_end) validation, the rest test.
  std::size_t train_end() const { return size() * 8 / 10; }
  std::size_t validation_end() const { return size() * 9 / 10; }

 private:
  void draw_users();
  void draw_items(const SynthCatalogue& catalogue, const ProgressFn& progress);
  void calibrate(double positive_rate);
  void draw_labels();

  SynthOptions options_;
  std::vector<std::uint32_t> user_;
  std::vector<std::uint32_t> item_;
  std::vector<float> logit_;  // without the bias
  std::vector<std::uint8_t> label_;
  double bias_ = 0.0;
};

}  // namespace neume::data

#pragma once
// A synthetic catalogue and listening log with known ground truth (docs/formats/synth.md). Every item has a genre, a
// style within the genre, and a sound that is independent of both:
//
//   text embedding   = genre centre + style offset + noise          (norm about 1; does not see the sound)
//   audio embedding  = sound centre + weak genre part + noise       (norm about 30; does not see the style)
//   affinity(u, i)   = max over the tastes t of u of  w_u match_text(t, i) + (1 - w_u) match_sound(t, i)
//   P(label = 1)     = logistic(bias + gain affinity(u, i) + quality_i)
//
// so each modality sees part of what users like, users weigh the parts differently (w_u), and the quality of an item is
// something that only its own interactions tell.

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include <neume/options.hpp>
#include <neume/progress.hpp>

namespace neume::data {

struct SynthOptions {
  std::uint64_t items = 4000;
  std::uint64_t users = 12000;
  std::uint64_t interactions = 300000;
  std::size_t genres = 12;
  std::size_t styles = 4;
  std::size_t sounds = 16;
  std::size_t text_width = 64;
  std::size_t audio_width = 48;
  double zipf = 0.9;
  double cold_share = 0.15;
  double missing_audio = 0.02;
  double positive_rate = 0.42;
  std::uint64_t seed = 1;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.number("items", items, {1, 1e9}, "items of the catalogue N");
    visit.number("users", users, {1, 1e9}, "users");
    visit.number("interactions", interactions, {10, 4e9}, "rows of the log, over train, validation and test");
    visit.number("genres", genres, {1, 1000}, "genres behind the items; text and (weakly) audio see them");
    visit.number("styles", styles, {1, 1000}, "styles of each genre; only text sees them");
    visit.number("sounds", sounds, {1, 10000}, "sounds behind the items; only audio sees them");
    visit.number("text-width", text_width, {2, 65536}, "width of the text embeddings");
    visit.number("audio-width", audio_width, {2, 65536}, "width of the audio embeddings");
    visit.number("zipf", zipf, {0, 3}, "exponent s of the popularity, 1 / rank^s");
    visit.number("cold-share", cold_share, {0, 0.9}, "share of items released around and after the end of training");
    visit.number("missing-audio", missing_audio, {0, 1}, "share of items without audio");
    visit.number("positive-rate", positive_rate, {0.01, 0.99}, "share of positives in the log");
    visit.number("seed", seed, {0, 9007199254740992.0}, "seed of everything");
  }

  /// Throws InvalidArgument with the field, the range and the value found.
  void validate() const;
};

/// Rows of one file of the log.
struct SynthSplit {
  std::uint64_t rows = 0;
  std::uint64_t positives = 0;
  std::uint64_t cold_rows = 0;  ///< rows of items of the cold share
};

struct SynthSummary {
  std::uint64_t cold_items = 0;
  std::uint64_t items_without_audio = 0;
  SynthSplit train;
  SynthSplit validation;
  SynthSplit test;
};

/// Writes into `folder` (made where it is missing), each file atomically:
///
///   items.parquet       item_id BIGINT, title VARCHAR, text FLOAT[], audio FLOAT[] or null, released BIGINT
///   train.parquet, validation.parquet, test.parquet
///                       user_id BIGINT, item_id BIGINT, timestamp BIGINT, label UTINYINT: the first 80%, next 10% and
///                       last 10% of the log. Rows are in the order of time over all users; timestamps increase
///                       strictly.
///   truth.parquet       item_id, genre VARCHAR, style VARCHAR, sound VARCHAR, popularity DOUBLE (sums to 1)
///   truth_test.parquet  user_id, item_id, probability DOUBLE: the P(label = 1) that each row of test.parquet was drawn
///                       with, row by row. Its AUC is the ceiling for any model.
///   manifest.json       options, counts, base rates, format version; written last, so it marks a finished folder
///
/// Times are milliseconds since 1970. A user meets an item once, unless nothing that is out is left for that user.
/// Where there are at least as many interactions as users every user has one or more; the rest go to users by a heavy
/// tail. Same options, same bytes, for any number of threads.
///
/// Cost: O(items x width + interactions); memory is the embeddings once, about 60 bytes an interaction and 60 an item.
/// Throws InvalidArgument for options out of range, DataError where a file cannot be written.
SynthSummary write_synthetic_set(const SynthOptions& options, const std::filesystem::path& folder,
                                 const ProgressFn& progress = {});

}  // namespace neume::data

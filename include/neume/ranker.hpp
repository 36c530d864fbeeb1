#pragma once
// Stage 2: options of the rankers that read histories through semantic IDs, and what judging one tells.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <neume/options.hpp>

namespace neume {

enum class RankerModel {
  mcca,  ///< multi-codebook cross-attention (arXiv 2508.20359, section 3.3): every family queried by the joint one
  din    ///< deep interest network on item IDs, with each named family queried by itself
};
inline constexpr ChoiceNames<2> kRankerModelNames{"mcca", "din"};

/// What training needs to know.
struct RankerOptions {
  RankerModel model = RankerModel::mcca;
  std::vector<std::string> families;
  std::size_t history = 20;
  std::size_t embedding_width = 64;
  std::size_t attention_hidden = 64;
  std::vector<std::size_t> mlp = {256, 128};
  std::size_t batch_size = 256;
  std::size_t epochs = 1;
  double learning_rate = 1e-3;
  std::size_t negatives = 4;
  std::size_t patience = 0;
  std::size_t cold_threshold = 30;
  std::size_t checkpoint_every = 0;
  bool permute_items = false;
  std::uint64_t seed = 1;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.choice("model", model, kRankerModelNames,
                 "mcca: every code family queried by the joint one; din: item IDs, plus the named families");
    visit.texts("families", families, "code families to use; default: all for mcca, none for din");
    visit.number("history", history, {1, 1000}, "history length T: the last T positives");
    visit.number("embedding-width", embedding_width, {16, 1024}, "embedding width d', a multiple of 16");
    visit.number("attention-hidden", attention_hidden, {16, 1024},
                 "hidden width of the attention net, a multiple of 16");
    visit.list("mlp", mlp, {1, 65536}, "widths of the hidden layers of the final network");
    visit.number("batch-size", batch_size, {1, 65536}, "samples a step");
    visit.number("epochs", epochs, {1, 10000}, "passes over the training log");
    visit.number("learning-rate", learning_rate, {0, 1e6}, "step size of Adam");
    visit.number("negatives", negatives, {1, 1000}, "sampled negatives a positive, where the log has no labels");
    visit.number("patience", patience, {0, 1000},
                 "stop after this many epochs without a better validation AUC and keep the best; 0: never");
    visit.number("cold-threshold", cold_threshold, {0, 1e9}, "an item with fewer training interactions is cold");
    visit.number("checkpoint-every", checkpoint_every, {0, 1e9},
                 "steps between checkpoints; 0: every two minutes, and after each epoch");
    visit.flag("permute-items", permute_items,
               "control: give every item the semantic ID of another one, by a seeded permutation");
    visit.number("seed", seed, {0, 9007199254740992.0}, "seed of initial values, shuffling and sampled negatives");
  }

  /// Throws InvalidArgument with the field, the range and the value found.
  void validate() const;
};

/// How well a model's scores order and predict the labels of a table.
struct RankerMetrics {
  std::size_t samples = 0;
  std::size_t positives = 0;
  std::size_t users = 0;
  std::size_t cold_samples = 0;
  std::size_t skipped_rows = 0;  ///< rows whose item is unknown
  std::size_t cold_threshold = 0;
  std::optional<double> auc;       ///< over all samples; nothing where one class is absent
  std::optional<double> auc_cold;  ///< over samples whose target is cold
  double logloss = 0.0;            ///< mean binary cross-entropy, nats
  double base_rate = 0.0;
  double mean_prediction = 0.0;
  std::optional<double> gauc;          ///< by user, weighted by impressions
  std::size_t gauc_users_dropped = 0;  ///< users with one class only
};

/// What one epoch did.
struct EpochReport {
  std::size_t epoch = 0;       ///< 1, 2, ...
  double training_loss = 0.0;  ///< mean over the epoch's samples, each before its step
  double seconds = 0.0;
  std::optional<RankerMetrics> validation;
};

}  // namespace neume

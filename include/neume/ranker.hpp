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
  din,   ///< deep interest network on item IDs (arXiv 1706.06978), with each named family queried by itself
  vbpr,  ///< matrix factorisation with projected content vectors and biases (arXiv 1510.01784)
  simtier_make,  ///< histograms of content similarity and a content model trained before (arXiv 2407.19467)
  qarm,          ///< codes of content aligned with co-listening, read by a DIN (arXiv 2411.11739)
  dlrm,          ///< dot products of all embeddings, then a network (arXiv 1906.00091)
  popularity,    ///< how often an item was liked
  itemknn        ///< cosine of co-listening with the history
};
inline constexpr ChoiceNames<8> kRankerModelNames{"mcca", "din",  "vbpr",       "simtier-make",
                                                  "qarm", "dlrm", "popularity", "itemknn"};

/// Parts of mcca that the paper takes away one at a time.
enum class Ablation {
  none,
  msc,  ///< w/o modal-specific codes: attention over the joint sequence (and the item IDs) alone
  mjc   ///< w/o modal-joint codes: no joint sequence, every modality queried by the target's own embedding in it
};
inline constexpr ChoiceNames<3> kAblationNames{"none", "msc", "mjc"};

enum class LayerPooling {
  sum,    ///< e = sum over layers of E_l[c_l] (the paper)
  concat  ///< the layers side by side: each has its share of the d' columns
};
inline constexpr ChoiceNames<2> kLayerPoolingNames{"sum", "concat"};

enum class AttentionInput {
  concat,  ///< [e_j ; q] (the paper)
  product  ///< [e_j ; q ; e_j - q ; e_j * q] (DIN's code; the difference is linear in the first two)
};
inline constexpr ChoiceNames<2> kAttentionInputNames{"concat", "product"};

enum class TableInit {
  random,    ///< uniform (the paper)
  centroids  ///< the codebooks' centroids under a seeded random projection, at the same scale
};
inline constexpr ChoiceNames<2> kTableInitNames{"random", "centroids"};

enum class Precision { f32, bf16 };
inline constexpr ChoiceNames<2> kPrecisionNames{"f32", "bf16"};

/// What training needs to know.
struct RankerOptions {
  RankerModel model = RankerModel::mcca;
  std::vector<std::string> families;
  Ablation without = Ablation::none;
  LayerPooling layer_pooling = LayerPooling::sum;
  AttentionInput attention_input = AttentionInput::concat;
  bool attention_softmax = false;
  TableInit table_init = TableInit::random;
  std::vector<std::string> features;
  std::size_t feature_buckets = 0;
  std::size_t history = 20;
  std::size_t embedding_width = 64;
  std::size_t attention_hidden = 64;
  std::vector<std::size_t> mlp = {256, 128};
  std::size_t batch_size = 256;
  std::size_t epochs = 1;
  double learning_rate = 1e-3;
  std::size_t negatives = 4;
  std::size_t patience = 0;
  Precision precision = Precision::f32;
  std::size_t shuffle_rows = 100'000'000;
  std::size_t tiers = 20;
  std::size_t make_epochs = 3;
  std::size_t align_epochs = 5;
  std::size_t align_width = 64;
  std::size_t cold_threshold = 30;
  std::size_t checkpoint_every = 0;
  bool permute_items = false;
  std::uint64_t seed = 1;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.choice(
        "model", model, kRankerModelNames,
        "mcca: every code family queried by the joint one; din: item IDs, plus the named families; vbpr, "
        "simtier-make, qarm read content vectors (--modality); dlrm: dot products; popularity, itemknn: floors");
    visit.texts("families", families, "code families to use; default: all for mcca, none for din and dlrm");
    visit.choice("without", without, kAblationNames,
                 "mcca without a part: msc attends over the joint sequence only, mjc has no joint sequence");
    visit.choice("layer-pooling", layer_pooling, kLayerPoolingNames,
                 "how the layers' embeddings make an item's: their sum, or side by side, each with its share of d'");
    visit.choice("attention-input", attention_input, kAttentionInputNames,
                 "what the attention net reads: item and target, or also their product (and difference) as in DIN");
    visit.flag("attention-softmax", attention_softmax,
               "attention weights of a history sum to 1 (the paper: they do not)");
    visit.choice("table-init", table_init, kTableInitNames,
                 "initial embeddings of codes: random, or their centroids projected to d' (--codebooks)");
    visit.repeated("feature", features,
                   "a further input, once each: a column or SQL expression of the logs, NAME=EXPRESSION, or "
                   "NAME=FILE:EXPRESSION for a table of items; whole numbers and texts are categories, others numbers");
    visit.number("feature-buckets", feature_buckets, {0, 1e9},
                 "hash categories into this many rows; 0: a row for every value that training has");
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
    visit.choice("precision", precision, kPrecisionNames,
                 "products of mcca and din in f32, or in bf16 with f32 sums where the CPU has it (faster)");
    visit.number("shuffle-rows", shuffle_rows, {1024, 4e9},
                 "a longer log is shuffled in windows of this many samples and kept in a file beside the checkpoint");
    visit.number("tiers", tiers, {1, 1000}, "simtier-make: bins of the histogram of similarities");
    visit.number("make-epochs", make_epochs, {1, 1000}, "simtier-make: passes that train the content model before");
    visit.number("align-epochs", align_epochs, {1, 1000}, "qarm: passes over the co-listened pairs");
    visit.number("align-width", align_width, {1, 4096}, "qarm: width of the aligned vectors");
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

/// What a user weighs in GAUC.
enum class GaucMode {
  impression,  ///< the user's samples
  uniform,     ///< one
  positive     ///< the user's positives
};
inline constexpr ChoiceNames<3> kGaucModeNames{"impression", "uniform", "positive"};

/// Metrics of a part of the samples.
struct SliceMetrics {
  std::string name;       ///< "cold<5", "head", ...
  std::size_t items = 0;  ///< of the catalogue that belong to the slice
  std::size_t samples = 0;
  std::size_t positives = 0;
  std::optional<double> auc;      ///< nothing where one class is absent
  std::optional<double> logloss;  ///< nothing where there are no samples
  std::optional<double> base_rate;
  std::optional<double> mean_prediction;
};

/// Samples whose predictions lie next to each other.
struct ReliabilityBin {
  std::size_t samples = 0;
  double mean_prediction = 0.0;
  double positive_rate = 0.0;
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
  std::optional<double> gauc;  ///< AUC of each user, averaged with the weights of gauc_mode
  GaucMode gauc_mode = GaucMode::impression;
  std::size_t gauc_users_dropped = 0;  ///< users with one class only
  std::vector<SliceMetrics> cold;      ///< one a further cold threshold, "cold<N": items with fewer than N interactions
  /// By popularity in training: head, the most played items that have half of all interactions; torso, the next, up to
  /// nine tenths; tail, the rest; unseen, without any.
  std::vector<SliceMetrics> popularity;
  /// Ten bins of equally many samples, by rising prediction; equal predictions share a bin, so there may be fewer.
  std::vector<ReliabilityBin> reliability;
  double calibration_error = 0.0;  ///< mean over samples of |mean prediction - positive rate| of their bin
};

/// A stretch of an epoch, about a hundredth of it.
struct CurvePoint {
  std::size_t step = 0;        ///< the stretch's last, counted from the start of the training
  double training_loss = 0.0;  ///< mean over the stretch's samples, each before its step
  double learning_rate = 0.0;
};

/// What one epoch did.
struct EpochReport {
  std::size_t epoch = 0;       ///< 1, 2, ...
  double training_loss = 0.0;  ///< mean over the epoch's samples, each before its step
  double seconds = 0.0;
  std::optional<RankerMetrics> validation;
  std::vector<CurvePoint> curve = {};  ///< of the whole epoch, in order
};

}  // namespace neume

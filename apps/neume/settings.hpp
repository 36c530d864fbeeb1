#pragma once
// What every verb of the command line takes: its flags, its keys in a --config file, its help. The verbs themselves are
// the functions run(settings, console) at the end; each returns the exit code.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <neume/options.hpp>
#include <neume/ranker.hpp>

#include "codebooks.hpp"
#include "console.hpp"
#include "data/catalogue.hpp"
#include "data/interactions.hpp"
#include "data/synth.hpp"
#include "family_rows.hpp"
#include "fit_sample.hpp"
#include "judge_options.hpp"
#include "quantize/collisions.hpp"
#include "sweep_grid.hpp"

namespace neume::app {

/// Flags of all verbs.
struct CommonSettings {
  std::size_t threads = 0;
  bool quiet = false;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.number("threads", threads, {0, 1024}, "threads; 0: every core. Results do not depend on it");
    visit.flag("quiet", quiet, "show no progress");
  }
};

/// A catalogue's embeddings.
struct CatalogueSettings {
  std::vector<std::string> modalities;
  data::CatalogueOptions options;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.repeated(
        "modality", modalities,
        "NAME=SOURCE, once a modality; SOURCE is file.npy or file.parquet:column (also CSV, TSV, JSON; globs)");
    visit.text("item-column", options.item_column, "column of the item id in tables");
    visit.flag("zero-is-missing", options.zero_is_missing, "an all-zero row means that the item lacks the modality");
  }

  std::vector<data::ModalitySource> sources() const;

  /// Throw InvalidArgument where no modality was given.
  std::vector<data::ModalitySource> required_sources() const;
  data::Catalogue open() const;
};

struct SynthSettings {
  static constexpr std::string_view kName = "synth";
  static constexpr std::string_view kHelp = "Make a synthetic catalogue and listening log with known ground truth";
  static constexpr std::string_view kExample = "neume synth --items 4000 --users 12000 --out runs/data";

  data::SynthOptions options;
  std::string out;

  template <class Visitor>
  void describe(Visitor&& visit) {
    options.describe(visit);
    visit.text("out", out, "folder to write; required");
  }
};

struct FitSettings {
  static constexpr std::string_view kName = "fit";
  static constexpr std::string_view kHelp = "Learn codebooks: one family of codes a modality, and the joint one";
  static constexpr std::string_view kExample =
      "neume fit --modality text=items.parquet:text --modality audio=items.parquet:audio --joint --codes 256 --out "
      "runs/codebooks";
  static constexpr std::string_view kNotes =
      "Killed and started again with the same data and settings, it goes on after the last finished layer and ends in\n"
      "the same bytes.";

  CatalogueSettings catalogue;
  CodebookOptions codebooks;
  SampleSettings sample;
  std::string continue_from;
  bool cold_refit = false;
  std::string out;

  template <class Visitor>
  void describe(Visitor&& visit) {
    catalogue.describe(visit);
    codebooks.describe(visit);
    sample.describe(visit);
    visit.text("continue-from", continue_from,
               "folder of an earlier fit with the same method, k, L and modalities: start from its codebooks and keep "
               "the names of its codes, so that most items keep their IDs");
    visit.flag("cold-refit", cold_refit,
               "with --continue-from: also fit afresh, to show how many IDs that would have kept; takes as long again");
    visit.text("out", out, "folder for <family>.safetensors and manifest.json; required");
  }
};

/// How IDs are made of codebooks; encode and verify must be told the same.
struct IdSettings {
  EncodeOptions encode;
  quantize::CollisionRule resolve = quantize::CollisionRule::none;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.number("beam", encode.beam, {1, 4096},
                 "partial IDs kept from layer to layer; 1 takes the nearest code in each, more look further ahead");
    visit.choice("resolve", resolve, quantize::kCollisionRuleNames,
                 "where items share an ID: none leaves it so (rankers need no more), suffix adds a code that counts "
                 "them, reassign moves all but the nearest item to the nearest free ID");
  }
};

struct EncodeSettings {
  static constexpr std::string_view kName = "encode";
  static constexpr std::string_view kHelp = "Assign semantic IDs to items, old or new, from fitted codebooks";
  static constexpr std::string_view kExample =
      "neume encode --codebooks runs/codebooks --modality text=items.parquet:text --modality audio=items.parquet:audio "
      "--out runs/sids.parquet";

  std::string codebooks;
  CatalogueSettings catalogue;
  IdSettings ids;
  std::string memory = "1GiB";
  bool append = false;
  std::string drift;
  std::string out;
  std::string json;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("codebooks", codebooks, "folder of neume fit; required");
    catalogue.describe(visit);
    ids.describe(visit);
    visit.text("memory", memory,
               "memory to use, whatever the input's size (500MB, 2GiB); ids beyond it wait on disk beside --out");
    visit.flag(
        "append", append,
        "add the items that --out does not have yet; those that it has keep their IDs, whatever the sources say");
    visit.text("drift", drift, "with --append: drift.json to write, which compares the new items with the fit");
    visit.text("out", out, "sids.parquet to write; a killed run goes on from OUT.part; required");
    visit.text("json", json, "also write {\"item\": ..., \"text\": [\"<a_12>\", \"<b_3>\"]} lines to this file");
  }
};

struct DriftSettings {
  static constexpr std::string_view kName = "drift";
  static constexpr std::string_view kHelp =
      "Compare new items with those that codebooks were fitted to: is a refit due?";
  static constexpr std::string_view kExample =
      "neume drift --codebooks runs/codebooks --modality text=new.parquet:text --out drift.json";
  static constexpr std::string_view kNotes =
      "Figures, by layer (docs/formats/drift.md has the rules and limits):\n"
      "  distance      mean distance of new rows to what their codes so far stand for; fit's: the same of rows of the\n"
      "                fit that were held out from the codewords, so that it is a fair ruler\n"
      "  beyond p99    share of new rows beyond the 99th percentile of these distances; about 1% without drift\n"
      "  usage shift   Jensen-Shannon divergence, bits, of the use of codes; by chance: two samples of one set\n"
      "A refit is due where rows lie far (ratio 1.15 or 5% beyond p99, and more than chance gives). A shift of usage\n"
      "alone means another mix of items, which the old codewords fit as well.";

  std::string codebooks;
  CatalogueSettings catalogue;
  std::string out;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("codebooks", codebooks, "folder of neume fit; required");
    catalogue.describe(visit);
    visit.text("out", out, "drift.json to write");
  }
};

struct VerifySettings {
  static constexpr std::string_view kName = "verify";
  static constexpr std::string_view kHelp =
      "Prove that stored IDs follow from stored codebooks and embeddings, whatever the batch or the thread count";
  static constexpr std::string_view kExample =
      "neume verify --codebooks runs/codebooks --sids runs/sids.parquet --modality text=items.parquet:text "
      "--modality audio=items.parquet:audio";

  std::string codebooks;
  std::string sids;
  CatalogueSettings catalogue;
  IdSettings ids;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("codebooks", codebooks, "folder of neume fit; required");
    visit.text("sids", sids, "sids.parquet of neume encode; required");
    catalogue.describe(visit);
    ids.describe(visit);
  }
};

struct InspectSettings {
  static constexpr std::string_view kName = "inspect";
  static constexpr std::string_view kHelp =
      "Judge semantic IDs: use of codes, collisions, what each layer adds and means; as tables, JSON and a page";
  static constexpr std::string_view kExample =
      "neume inspect --sids rq=runs/rq/sids.parquet --sids psrq=runs/psrq/sids.parquet --codebooks rq=runs/rq "
      "--codebooks psrq=runs/psrq --modality text=items.parquet:text --labels items.parquet:genre --tags "
      "items.parquet:tags --names items.parquet:title --report report.html";
  static constexpr std::string_view kNotes =
      "Figures (docs/formats/quality.md has the formulas; n items, c a layer's code, prefix the codes before it):\n"
      "  collision_rate     1 - distinct IDs / n\n"
      "  shared_id_rate     items that share their ID with another / n (the other definition of a collision)\n"
      "  coverage           codes in use / codes;   perplexity  e^entropy: equally used codes of this entropy\n"
      "  gini               0 where all codes are used alike, near 1 where one holds nearly all items\n"
      "  H(c|prefix)        nats that a code adds to the codes before it; near 0, the layer repeats them\n"
      "  I(c;label|prefix)  nats that it adds about the label; (0): labels shuffled within each prefix\n"
      "  NMI, AMI, purity   agreement of codes, or prefixes, with labels; (0): labels shuffled; AMI is free of chance\n"
      "  variance explained 1 - squared error / variance, all layers so far;   cosine  of row and approximation\n"
      "  same code, prefix  share of an item's nearest neighbours in the embedding space that have it; (chance)\n"
      "  cohesion           mean cosine of items with the same prefix; (permuted): items shuffled over the groups\n"
      "  copy of 1          control: a family whose every layer repeats layer 1\n"
      "  churn              items whose codes differ from --against, as they are and after renaming codes one to one";

  std::vector<std::string> sids;
  std::vector<std::string> codebooks;
  CatalogueSettings catalogue;
  std::string labels;
  std::string tags;
  std::string names;
  std::string against;
  RowOptions rows;
  std::size_t top = 10;
  std::size_t points = 1500;
  std::string title;
  std::string out;
  std::string report;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.repeated("sids", sids, "sids.parquet of neume encode, or NAME=FILE, once for each set to compare; required");
    visit.repeated("codebooks", codebooks,
                   "folder of neume fit, or NAME=FOLDER, for each --sids; with --modality it adds reconstruction, "
                   "neighbours, typical items and the map");
    catalogue.describe(visit);
    visit.text("labels", labels, "file:EXPRESSION, one label an item, e.g. items.tsv:genre");
    visit.text("tags", tags, "file:EXPRESSION, a list or a text with commas, to name codes by; default: the labels");
    visit.text("names", names, "file:EXPRESSION, what items are called");
    visit.text("against", against, "another sids.parquet of the same items: adds the churn between the two");
    rows.describe(visit);
    visit.number("top", top, {0, 65535}, "codes of layer 1 that are printed with their names, the largest first");
    visit.number("points", points, {4, 10000}, "items on the map of the report");
    visit.text("title", title, "title of the report");
    visit.text("out", out, "quality.json to write");
    visit.text("report", report, "page to write: one HTML file that needs no network");
  }
};

struct SweepSettings {
  static constexpr std::string_view kName = "sweep";
  static constexpr std::string_view kHelp =
      "Try a grid of quantizers and show the trade-off: what they keep, what layers add, what a ranker gains";
  static constexpr std::string_view kExample =
      "neume sweep --modality text=items.parquet:text --prefix-weights 0,0.25,0.5,0.75,1 --codes 64,256 --labels "
      "items.parquet:genre --train train.parquet --test test.parquet --out runs/sweep";

  CatalogueSettings catalogue;
  SweepGrid grid;
  QuantizerOptions base;
  bool joint = false;
  ScaleChoice scale = ScaleChoice::by_family;
  std::string labels;
  std::string tags;
  std::string names;
  std::string train;
  std::string validation;
  std::string test;
  data::InteractionOptions log;
  std::size_t epochs = 1;
  std::size_t batch_size = 256;
  double learning_rate = 1e-3;
  std::size_t cold_threshold = 30;
  std::vector<std::uint64_t> seeds = {1, 2, 3};
  std::string out;

  template <class Visitor>
  void describe(Visitor&& visit) {
    catalogue.describe(visit);
    grid.describe(visit);
    visit.number("iterations", base.iterations, {1, 10000}, "Lloyd iterations a layer, at most");
    visit.number("tolerance", base.tolerance, {0, 1}, "a layer stops when its objective falls by less than this share");
    visit.number("seed", base.seed, {0, 9007199254740992.0}, "seed of the quantizers and of shuffled labels");
    base.rqvae.describe(visit);
    visit.flag("joint", joint, "also fit the modal-joint family, on all modalities side by side");
    visit.choice("scale", scale, kScaleChoiceNames,
                 "scaling of each modality; auto: none for a modality alone, rms for joint");
    visit.text("labels", labels, "file:EXPRESSION, one label an item: adds the information about it");
    visit.text("tags", tags, "file:EXPRESSION, a list or a text with commas, to name codes by in report.html");
    visit.text("names", names, "file:EXPRESSION, what items are called in report.html");
    visit.text("train", train, "training log: with --test, a DIN is trained on each family's IDs");
    visit.text("validation", validation, "log that is judged after each epoch");
    visit.text("test", test, "test log");
    log.describe_but_items(visit);
    visit.number("epochs", epochs, {1, 10000}, "ranker: passes over the training log");
    visit.number("batch-size", batch_size, {1, 65536}, "ranker: samples a step");
    visit.number("learning-rate", learning_rate, {0, 1e6}, "ranker: step size of Adam");
    visit.number("cold-threshold", cold_threshold, {0, 1e9}, "an item with fewer training interactions is cold");
    visit.list("seeds", seeds, {0, 9007199254740992.0}, "one ranker a seed; figures are means");
    visit.text("out", out, "folder to write; required");
  }
};

struct TrainSettings {
  static constexpr std::string_view kName = "train";
  static constexpr std::string_view kHelp = "Train a ranker on a listening log; killed and started again, it goes on";
  static constexpr std::string_view kExample =
      "neume train --sids runs/sids.parquet --train train.parquet --validation validation.parquet --model mcca --out "
      "runs/mcca";
  static constexpr std::string_view kNotes =
      "vbpr, simtier-make and qarm read content vectors: give --modality NAME=SOURCE, once a modality; other models\n"
      "ignore it. qarm first aligns them with the log and quantizes the result: its codes replace those of --sids, of\n"
      "which it takes the items, and from the first family k and the number of layers.";

  std::string sids;
  std::string train;
  std::string validation;
  data::InteractionOptions log;
  CatalogueSettings catalogue;  ///< for the models that read content vectors
  std::string codebooks;
  RankerOptions ranker;
  std::string out;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("sids", sids, "sids.parquet of neume encode: the items and their IDs; required");
    visit.text("train", train, "training log: user_id, item_id and, if there are, timestamp and label; required");
    visit.text("validation", validation, "log that is judged after each epoch");
    catalogue.describe(visit);
    log.describe_but_items(visit);
    visit.text("codebooks", codebooks, "folder of neume fit that the IDs come from, for --table-init centroids");
    ranker.describe(visit);
    visit.text("out", out, "folder of the ranker; required");
  }
};

struct EvaluateSettings {
  static constexpr std::string_view kName = "evaluate";
  static constexpr std::string_view kHelp = "Judge a ranker on a test log";
  static constexpr std::string_view kExample =
      "neume evaluate --model runs/mcca --test test.parquet --full-ranking --out runs/metrics.json";
  static constexpr std::string_view kNotes =
      "Figures (docs/formats/metrics.md has the formulas; a sample is a row of the test log, or a sampled negative):\n"
      "  auc, auc_cold      chance that a positive scores above a negative; among samples of cold items alone\n"
      "  logloss            mean cross-entropy of the predicted probabilities, nats; lower is better\n"
      "  gauc               AUC of each user, averaged; what a user weighs is gauc_mode, and the value depends on it\n"
      "  base_rate          share of positives;   mean_prediction  the share that the model predicts\n"
      "  calibration_error  how far predictions lie from what came, mean over the rows of the last table\n"
      "Slices: cold<N are the items with fewer than N training interactions; head the most played items that have "
      "half\n"
      "  of all interactions, torso the next up to nine tenths, tail the rest, unseen the items without any.\n"
      "Reliability: samples by rising prediction, a tenth in each row (equal predictions share a row). A calibrated\n"
      "  model has the same two numbers in a row. Sampled negatives set the base rate, and with it what is calibrated.";

  std::string model;
  std::string test;
  data::InteractionOptions log;
  JudgeOptions judge;
  std::string out;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("model", model, "folder of neume train; required");
    visit.text("test", test, "test log; required");
    log.describe(visit);
    judge.describe(visit);
    visit.text("out", out, "metrics.json to write");
  }
};

struct ExportSettings {
  static constexpr std::string_view kName = "export";
  static constexpr std::string_view kHelp =
      "Export a ranker for other programs: an ONNX graph that scores, or its tables";
  static constexpr std::string_view kExample =
      "neume export --model runs/mcca --onnx runs/mcca.onnx --safetensors runs/mcca.safetensors";

  std::string model;
  std::string onnx;
  std::string safetensors;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("model", model, "folder of neume train; required");
    visit.text("onnx", onnx, "scoring graph to write (mcca, din, qarm): codes and ids in, logits out");
    visit.text("safetensors", safetensors,
               "parameters, semantic IDs and interactions to write, for PyTorch and others");
  }
};

struct RunSettings {
  static constexpr std::string_view kName = "run";
  static constexpr std::string_view kHelp = "Run all stages of one TOML file, skipping what is up to date";
  static constexpr std::string_view kExample =
      "neume run examples/lfm2k.toml --data ../shared/data/lfm2k --out runs/lfm2k";
  static constexpr std::string_view kPositional = "file";

  std::string file;
  std::string data;
  std::string out;
  std::vector<std::uint64_t> seeds;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("file", file, "TOML file of the run; examples/ has some");
    visit.text("data", data, "folder that ${data} stands for in the file; default: [data] folder");
    visit.text("out", out, "folder of the run; default: [run] out");
    visit.list("seeds", seeds, {0, 9007199254740992.0}, "one ranker a seed; default: [run] seeds");
  }
};

struct CompareSettings {
  static constexpr std::string_view kName = "compare";
  static constexpr std::string_view kHelp =
      "Compare rankers and quantizers over several seeds: means, 95% intervals, differences to a baseline";
  static constexpr std::string_view kExample =
      "neume compare examples/compare-lfm2k.toml --data ../shared/data/lfm2k --out runs/compare-lfm2k";
  static constexpr std::string_view kPositional = "file";
  static constexpr std::string_view kNotes =
      "The file is that of neume run and besides (docs/formats/compare.md):\n"
      "  [compare] baseline = \"DIN\"                   what the others are compared with, seed by seed\n"
      "  [[ranker]] quantizer = [\"rq\", \"psrq\"]       one ranker for each\n"
      "  [ranker.grid] embedding-width = [32, 64]     one for each; the same in [quantizer.grid]\n"
      "  [[ranker]] table = [\"Models\"]                the tables that it is a row of\n"
      "Writes compare.txt, .md, .csv, .json and .html. * marks a difference whose 95% interval leaves out 0: of 20\n"
      "equal rankers one has it by chance. Killed and started again, it goes on and ends in the same numbers.";

  RunSettings run;
  std::size_t jobs = 0;

  template <class Visitor>
  void describe(Visitor&& visit) {
    run.describe(visit);
    visit.number("jobs", jobs, {0, 1024},
                 "trainings at the same time, which share the threads; 0: one a thread. Results do not depend on it");
  }
};

struct InfoSettings {
  static constexpr std::string_view kName = "info";
  static constexpr std::string_view kHelp = "Show version, build, instruction sets and threads";
  static constexpr std::string_view kExample = "neume info";

  template <class Visitor>
  void describe(Visitor&&) {}
};

/// Throws InvalidArgument where a required flag was not given.
void require_flag(const std::string& value, std::string_view flag);

/// Bytes that --memory gives. Throws InvalidArgument, which names the flag.
std::size_t parse_memory(const std::string& text);

int run(const SynthSettings& settings, Console& console);
int run(const FitSettings& settings, Console& console);
int run(const EncodeSettings& settings, Console& console);
int run(const DriftSettings& settings, Console& console);
int run(const VerifySettings& settings, Console& console);
int run(const InspectSettings& settings, Console& console);
int run(const SweepSettings& settings, Console& console);
int run(const TrainSettings& settings, Console& console);
int run(const EvaluateSettings& settings, Console& console);
int run(const ExportSettings& settings, Console& console);
int run(const RunSettings& settings, Console& console);
int run(const CompareSettings& settings, Console& console);
int run(const InfoSettings& settings, Console& console);

}  // namespace neume::app

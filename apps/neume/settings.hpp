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

  /// Throws InvalidArgument where no modality was given.
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

  CatalogueSettings catalogue;
  CodebookOptions codebooks;
  std::string out;

  template <class Visitor>
  void describe(Visitor&& visit) {
    catalogue.describe(visit);
    codebooks.describe(visit);
    visit.text("out", out, "folder for <family>.safetensors and manifest.json; required");
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
  std::string out;
  std::string json;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("codebooks", codebooks, "folder of neume fit; required");
    catalogue.describe(visit);
    visit.text("out", out, "sids.parquet to write; required");
    visit.text("json", json, "also write {\"item\": ..., \"text\": [\"<a_12>\", \"<b_3>\"]} lines to this file");
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

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("codebooks", codebooks, "folder of neume fit; required");
    visit.text("sids", sids, "sids.parquet of neume encode; required");
    catalogue.describe(visit);
  }
};

struct InspectSettings {
  static constexpr std::string_view kName = "inspect";
  static constexpr std::string_view kHelp = "Judge semantic IDs: usage, collisions, and what each layer adds";
  static constexpr std::string_view kExample =
      "neume inspect --sids runs/sids.parquet --labels items.parquet:genre --out runs/quality.json";

  std::string sids;
  std::string labels;
  std::string codebooks;
  CatalogueSettings catalogue;
  std::uint64_t seed = 1;
  std::string out;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("sids", sids, "sids.parquet of neume encode; required");
    visit.text("labels", labels, "file:EXPRESSION, a label an item, e.g. items.tsv:genre");
    visit.text("codebooks", codebooks, "folder of neume fit, with --modality: adds the variance explained");
    catalogue.describe(visit);
    visit.number("seed", seed, {0, 9007199254740992.0}, "seed of the shuffled labels of the null");
    visit.text("out", out, "quality.json to write");
  }
};

struct TrainSettings {
  static constexpr std::string_view kName = "train";
  static constexpr std::string_view kHelp = "Train a ranker on a listening log; killed and started again, it goes on";
  static constexpr std::string_view kExample =
      "neume train --sids runs/sids.parquet --train train.parquet --validation validation.parquet --model mcca --out "
      "runs/mcca";

  std::string sids;
  std::string train;
  std::string validation;
  data::InteractionOptions log;
  RankerOptions ranker;
  std::string out;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("sids", sids, "sids.parquet of neume encode: the items and their IDs; required");
    visit.text("train", train, "training log: user_id, item_id and, if there are, timestamp and label; required");
    visit.text("validation", validation, "log that is judged after each epoch");
    log.describe(visit);
    ranker.describe(visit);
    visit.text("out", out, "folder of the ranker; required");
  }
};

struct EvaluateSettings {
  static constexpr std::string_view kName = "evaluate";
  static constexpr std::string_view kHelp = "Judge a ranker on a test log";
  static constexpr std::string_view kExample =
      "neume evaluate --model runs/mcca --test test.parquet --full-ranking --out runs/metrics.json";

  std::string model;
  std::string test;
  data::InteractionOptions log;
  std::size_t cold_threshold = 30;
  bool full_ranking = false;
  std::vector<std::size_t> cutoffs = {10, 20};
  std::string out;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("model", model, "folder of neume train; required");
    visit.text("test", test, "test log; required");
    log.describe(visit);
    visit.number("cold-threshold", cold_threshold, {0, 1e9}, "an item with fewer training interactions is cold");
    visit.flag("full-ranking", full_ranking, "also rank the whole catalogue for every user: recall, ndcg, hit, mrr");
    visit.list("cutoffs", cutoffs, {1, 1e6}, "the k of recall@k, ndcg@k and hit@k");
    visit.text("out", out, "metrics.json to write");
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

struct InfoSettings {
  static constexpr std::string_view kName = "info";
  static constexpr std::string_view kHelp = "Show version, build, instruction sets and threads";
  static constexpr std::string_view kExample = "neume info";

  template <class Visitor>
  void describe(Visitor&&) {}
};

/// Throws InvalidArgument where a required flag was not given.
void require_flag(const std::string& value, std::string_view flag);

int run(const SynthSettings& settings, Console& console);
int run(const FitSettings& settings, Console& console);
int run(const EncodeSettings& settings, Console& console);
int run(const VerifySettings& settings, Console& console);
int run(const InspectSettings& settings, Console& console);
int run(const TrainSettings& settings, Console& console);
int run(const EvaluateSettings& settings, Console& console);
int run(const RunSettings& settings, Console& console);
int run(const InfoSettings& settings, Console& console);

}  // namespace neume::app

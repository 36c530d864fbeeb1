#pragma once
// A run as its TOML file describes it: data, modalities, logs, quantizers, rankers, and how to judge
// them.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <neume/ranker.hpp>

#include "codebooks.hpp"
#include "data/catalogue.hpp"
#include "data/interactions.hpp"
#include "data/synth.hpp"
#include "json_file.hpp"
#include "rank_stages.hpp"
#include "settings.hpp"

namespace neume::app {

/// [[quantizer]]
struct QuantizerPlan {
  std::string name;
  CodebookOptions options;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("name", name, "name of the quantizer");
    options.describe(visit);
  }
};

/// [[ranker]]
struct RankerPlan {
  std::string name;
  std::string quantizer;
  RankerOptions options;
  std::vector<std::string> tables = {};  ///< of a comparison: titles of the tables that it is a row of

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("name", name, "name of the ranker");
    visit.text("quantizer", quantizer, "name of the quantizer whose IDs it reads; may be left out where there is one");
    options.describe(visit);
  }

  /// Whether its input depends on the quantizer at all.
  bool reads_ids() const;
  /// Its name, with a comma in place of the slash that a comparison puts before a quantizer ("MCCA / psrq").
  std::string folder() const;
};

/// [log]
struct LogPlan {
  std::string train;
  std::string validation;
  std::string test;
  data::InteractionOptions options;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("train", train, "training log");
    visit.text("validation", validation, "log that is judged after each epoch");
    visit.text("test", test, "test log");
    options.describe(visit);
  }
};

/// [items]
struct ItemsPlan {
  data::CatalogueOptions options;
  std::string names;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("item-column", options.item_column, "column of the item id in tables");
    visit.flag("zero-is-missing", options.zero_is_missing, "an all-zero row means that the item lacks the modality");
    visit.text("names", names, "file:EXPRESSION, what items are called, for the example at the end");
  }
};

/// [labels]
struct LabelsPlan {
  std::string source;
  std::string tags;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("source", source, "file:EXPRESSION, a label for each item");
    visit.text("tags", tags, "file:EXPRESSION, tags to name codes by: a list, or a text with commas");
  }
};

/// [run]
struct RunSection {
  std::string out;
  std::uint64_t seed = 1;
  std::vector<std::uint64_t> seeds = {1, 2, 3};

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("out", out, "folder of the run");
    visit.number("seed", seed, {0, 9007199254740992.0}, "seed of the quantizers and of shuffled labels");
    visit.list("seeds", seeds, {0, 9007199254740992.0}, "every ranker is trained once a seed");
  }
};

struct RunPlan {
  RunSection run;
  std::string data_folder;  ///< what ${data} stood for
  std::optional<data::SynthOptions> synth;
  ItemsPlan items;
  std::vector<data::ModalitySource> modalities;  ///< in the order of the file
  LabelsPlan labels;
  LogPlan log;
  std::vector<QuantizerPlan> quantizers;
  std::vector<RankerPlan> rankers;  ///< each names a quantizer of the plan
  JudgeOptions judge;

  std::filesystem::path out() const { return run.out; }
  const QuantizerPlan& quantizer(const std::string& name) const;
  std::filesystem::path quantizer_folder(const std::string& name) const { return out() / "quantizers" / name; }
  std::filesystem::path sids_file(const std::string& quantizer) const {
    return quantizer_folder(quantizer) / "sids.parquet";
  }
  std::filesystem::path ranker_folder(const RankerPlan& ranker, std::uint64_t seed) const;

  /// Everything above with defaults and ${data} filled in.
  Json resolved() const;
};

/// [compare]
struct CompareSection {
  std::vector<std::string> baseline;
  std::vector<std::uint64_t> seeds;
  std::size_t jobs = 0;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.texts(
        "baseline", baseline,
        "names of rankers: a table's differences are to the first of them that is in it, else to its first row");
    visit.list("seeds", seeds, {0, 9007199254740992.0}, "every ranker is trained once a seed; default: [run] seeds");
    visit.number("jobs", jobs, {0, 1024}, "trainings at the same time, which share the threads; 0: one a thread");
  }
};

/// A run whose rankers are compared, over seeds.
struct ComparePlan {
  RunPlan run;
  CompareSection compare;
  bool says_full_ranking = false;  ///< whether the file has [evaluate] full-ranking

  Json resolved() const;
};

/// Reads settings.file; --data, --out and --seeds win over the file. Throws DataError with file, line, table and key
/// for what it cannot read or does not know, and for a plan that does not hang together.
RunPlan read_run_plan(const RunSettings& settings);

/// The same for a file that may also have [compare], and in [[quantizer]] and [[ranker]] alternatives
/// (docs/formats/compare.md); --jobs wins over the file. Every alternative has become a quantizer or ranker of its own.
ComparePlan read_compare_plan(const CompareSettings& settings);

}  // namespace neume::app

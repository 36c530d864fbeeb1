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

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("name", name, "name of the ranker");
    visit.text("quantizer", quantizer, "name of the quantizer whose IDs it reads; may be left out where there is one");
    options.describe(visit);
  }
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

  /// Everything above with defaults and ${data} filled in.
  Json resolved() const;
};

/// Reads settings.file; --data, --out and --seeds win over the file. Throws DataError with file, line, table and key
/// for what it cannot read or does not know, and for a plan that does not hang together.
RunPlan read_run_plan(const RunSettings& settings);

}  // namespace neume::app

#include "run_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string_view>

#include <neume/error.hpp>

#include "option_grid.hpp"
#include "option_json.hpp"
#include "toml_reader.hpp"

namespace neume::app {

namespace {

/// The last one stands in files of neume compare alone.
constexpr std::array<std::string_view, 11> kSections{"run", "data",      "synth",  "items",    "modalities", "labels",
                                                     "log", "quantizer", "ranker", "evaluate", "compare"};

/// [data] has one key.
struct OneText {
  std::string_view key;
  std::string value;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text(key, value, "");
  }
};

/// A quantizer that a ranker asks for.
struct QuantizerChoice {
  std::string name;
  const toml::node* node = nullptr;  ///< where it asks; null where it leaves it to us
};

/// Reads the tables of one file into a plan.
class PlanReader {
 public:
  /// `compare`: filled where the file is a comparison's; null for a run, which has no alternatives.
  explicit PlanReader(const RunSettings& settings, CompareSection* compare = nullptr)
      : settings_(settings), compare_(compare), table_(parse_toml(settings.file)) {}

  RunPlan read() {
    check_sections();
    read_section("run", plan_.run);
    if (compare_ != nullptr) read_section("compare", *compare_);
    if (compare_ != nullptr && !compare_->seeds.empty()) plan_.run.seeds = compare_->seeds;
    if (!settings_.out.empty()) plan_.run.out = settings_.out;
    if (!settings_.seeds.empty()) plan_.run.seeds = settings_.seeds;
    if (plan_.run.out.empty()) fail("[run] out: expected the folder of the run, found none; or give --out");
    if (std::set(plan_.run.seeds.begin(), plan_.run.seeds.end()).size() != plan_.run.seeds.size()) {
      const bool are_of_compare = compare_ != nullptr && !compare_->seeds.empty();
      fail(fmt::format("[{}] seeds: a seed occurs twice", are_of_compare ? "compare" : "run"));
    }
    read_data();
    read_section("items", plan_.items);
    substitute(plan_.items.names);
    read_modalities();
    read_section("labels", plan_.labels);
    for (std::string* source : {&plan_.labels.source, &plan_.labels.tags}) substitute(*source);
    read_section("log", plan_.log);
    for (std::string* path : {&plan_.log.train, &plan_.log.validation, &plan_.log.test}) substitute(*path);
    read_quantizers();
    read_rankers();
    read_section("evaluate", plan_.judge);
    return std::move(plan_);
  }

  /// Whether the file says this.
  bool has(std::string_view section, std::string_view key) const {
    const toml::table* table = table_[section].as_table();
    return table != nullptr && table->contains(key);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(fmt::format("{}: {}", settings_.file, what));
  }

  void check_sections() const {
    const auto sections = std::span(kSections).first(kSections.size() - (compare_ == nullptr ? 1 : 0));
    for (const auto& [key, node] : table_) {
      const bool known = std::ranges::count(sections, key.str()) > 0;
      const bool repeated = key.str() == "quantizer" || key.str() == "ranker";
      const auto line = node.source().begin.line;
      if (!known && key.str() == kSections.back()) {
        throw DataError(fmt::format("{}:{}: [{}]: this file is a comparison's; neume compare reads it", settings_.file,
                                    line, key.str()));
      }
      if (!known) {
        throw DataError(fmt::format("{}:{}: [{}]: unknown table; known tables: {}", settings_.file, line, key.str(),
                                    fmt::join(sections, ", ")));
      }
      if (repeated ? !node.is_array_of_tables() : !node.is_table()) {
        throw DataError(
            fmt::format("{}:{}: expected the table {}", settings_.file, line,
                        repeated ? fmt::format("[[{}]], once or more", key.str()) : fmt::format("[{}]", key.str())));
      }
    }
  }

  /// Reads a table where the file has it.
  template <class Section>
  bool read_section(const std::string& name, Section& section) const {
    const toml::table* table = table_[name].as_table();
    if (table == nullptr) return false;
    TomlReader reader(*table, settings_.file, name);
    section.describe(reader);
    reader.finish();
    return true;
  }

  /// Calls read(table, reader, point) for every table of [[name]], and in a comparison for every point of its grid.
  void for_each_of(const std::string& name,
                   const std::function<void(const toml::table&, TomlReader&, const GridPoint&)>& read) const {
    const toml::array* tables = table_[name].as_array();
    if (tables == nullptr) return;
    for (const toml::node& node : *tables) {
      const toml::table& table = *node.as_table();
      const auto points = compare_ == nullptr ? std::vector<GridPoint>(1) : grid_points(table, {settings_.file, name});
      for (const GridPoint& point : points) {
        TomlReader reader(table, settings_.file, name);
        if (compare_ != nullptr) reader.allow("grid");
        for (const auto& [key, value] : point.values) reader.put(key, *value);
        read(table, reader, point);
      }
    }
  }

  void read_data() {
    OneText data{"folder", {}};
    read_section("data", data);
    data::SynthOptions synth;
    if (read_section("synth", synth)) plan_.synth = synth;
    plan_.data_folder = settings_.data.empty() ? data.value : settings_.data;
    if (plan_.synth) plan_.data_folder = (std::filesystem::path(plan_.run.out) / "data").string();
  }

  void substitute(std::string& text) const {
    constexpr std::string_view kName = "${data}";
    for (std::size_t at = text.find(kName); at != std::string::npos; at = text.find(kName, at)) {
      if (plan_.data_folder.empty())
        fail("${data} is used, but neither --data nor [data] folder nor [synth] says what it is");
      text.replace(at, kName.size(), plan_.data_folder);
      at += plan_.data_folder.size();
    }
  }

  void read_modalities() {
    const toml::table* table = table_["modalities"].as_table();
    if (table == nullptr || table->empty()) fail("[modalities]: expected NAME = \"SOURCE\", once a modality");
    // The parser sorts keys by name; the order of the file is the order of the joint family's columns.
    std::vector<std::pair<toml::source_position, data::ModalitySource>> found;
    TomlReader reader(*table, settings_.file, "modalities");
    for (const auto& [key, node] : *table) {
      std::string source;
      reader.text(key.str(), source, "");
      substitute(source);
      found.emplace_back(node.source().begin, data::ModalitySource::parse(fmt::format("{}={}", key.str(), source)));
    }
    std::ranges::sort(found, [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [position, modality] : found) plan_.modalities.push_back(std::move(modality));
  }

  /// A name that can be a folder's, and that `taken` does not hold. `name` is that of the table, without what a grid
  /// adds to it.
  template <class Plan>
  void check_name(const TomlReader& reader, const std::string& name, const Plan& plan,
                  const std::vector<Plan>& taken) const {
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
      reader.fail("name", "expected a name, not empty, without / and not starting with a dot");
    }
    if (std::ranges::count(taken, folder_of(plan), folder_of<Plan>) > 0) {
      reader.fail("name", fmt::format("{} occurs twice", plan.name));
    }
  }

  template <class Plan>
  static std::string folder_of(const Plan& plan) {
    if constexpr (requires { plan.folder(); }) return plan.folder();
    return plan.name;
  }

  void read_quantizers() {
    for_each_of("quantizer", [&](const toml::table&, TomlReader& reader, const GridPoint& point) {
      QuantizerPlan quantizer;
      quantizer.options.quantizer.seed = plan_.run.seed;
      quantizer.describe(reader);
      reader.finish();
      const std::string name = quantizer.name;
      quantizer.name += point.suffix;
      check_name(reader, name, quantizer, plan_.quantizers);
      try {
        quantizer.options.quantizer.validate();
      } catch (const InvalidArgument& error) {
        fail(fmt::format("[[quantizer]] {}: {}", quantizer.name, error.what()));
      }
      alternatives_[name].push_back(quantizer.name);
      plan_.quantizers.push_back(std::move(quantizer));
    });
    if (plan_.quantizers.empty()) fail("[[quantizer]]: expected at least one");
  }

  /// What a ranker's `quantizer` stands for: one, or in a comparison a list, or all alternatives of a [[quantizer]].
  std::vector<QuantizerChoice> quantizer_choices(const toml::table& table) const {
    const toml::node* node = table.get("quantizer");
    if (node == nullptr) return {{}};
    std::vector<const toml::node*> asked{node};
    if (const toml::array* list = node->as_array(); list != nullptr && compare_ != nullptr && !list->empty()) {
      asked.clear();
      for (const toml::node& element : *list) asked.push_back(&element);
    }
    std::vector<QuantizerChoice> choices;
    for (const toml::node* name : asked) {
      const std::string text = name->value_or(std::string());
      const auto group = alternatives_.find(text);
      const bool is_one = group == alternatives_.end() || std::ranges::count(group->second, text) > 0;
      if (is_one) choices.push_back({text, name});
      if (!is_one)
        for (const std::string& alternative : group->second) choices.push_back({alternative, name});
    }
    return choices;
  }

  void read_rankers() {
    for_each_of("ranker", [&](const toml::table& table, TomlReader& reader, const GridPoint& point) {
      const auto choices = quantizer_choices(table);
      for (const QuantizerChoice& choice : choices) {
        if (choice.node != nullptr) reader.put("quantizer", *choice.node);
        read_ranker(reader, choice, fmt::format("{}{}", choices.size() > 1 ? " / " + choice.name : "", point.suffix));
      }
    });
    if (!plan_.rankers.empty() && plan_.log.train.empty()) fail("[log] train: rankers need a training log, found none");
    if (!plan_.rankers.empty() && plan_.log.test.empty()) fail("[log] test: rankers need a test log, found none");
  }

  void read_ranker(TomlReader& reader, const QuantizerChoice& choice, const std::string& suffix) {
    RankerPlan ranker;
    ranker.describe(reader);
    if (compare_ != nullptr) reader.texts("table", ranker.tables, "");
    reader.finish();
    const std::string name = ranker.name;
    ranker.name += suffix;
    check_name(reader, name, ranker, plan_.rankers);
    if (reader.has("seed")) reader.fail("seed", "the seeds of all rankers are [run] seeds");
    ranker.quantizer = choice.name;
    if (ranker.quantizer.empty() && plan_.quantizers.size() > 1 && ranker.reads_ids()) {
      reader.fail("quantizer", "is needed: there are several");
    }
    if (ranker.quantizer.empty()) ranker.quantizer = plan_.quantizers[0].name;
    if (std::ranges::count(plan_.quantizers, ranker.quantizer, &QuantizerPlan::name) == 0) {
      reader.fail("quantizer", fmt::format("there is no [[quantizer]] named {}", ranker.quantizer));
    }
    plan_.rankers.push_back(std::move(ranker));
  }

  const RunSettings& settings_;
  CompareSection* compare_;
  toml::table table_;
  RunPlan plan_;
  std::map<std::string, std::vector<std::string>> alternatives_;  // of a [[quantizer]]'s name: its quantizers
};

}  // namespace

bool RankerPlan::reads_ids() const {
  switch (options.model) {
    case RankerModel::mcca:
    case RankerModel::qarm:  // not the IDs, but k and the number of layers
      return true;
    case RankerModel::din:
    case RankerModel::dlrm:
      return !options.families.empty();
    default:
      return false;
  }
}

std::string RankerPlan::folder() const {
  constexpr std::string_view kSlash = " / ";
  std::string folder = name;
  for (std::size_t at = folder.find(kSlash); at != std::string::npos; at = folder.find(kSlash, at)) {
    folder.replace(at, kSlash.size(), ", ");
  }
  return folder;
}

std::filesystem::path RunPlan::ranker_folder(const RankerPlan& ranker, std::uint64_t seed) const {
  return out() / "rankers" / ranker.folder() / fmt::format("seed-{}", seed);
}

const QuantizerPlan& RunPlan::quantizer(const std::string& name) const {
  return *std::ranges::find(quantizers, name, &QuantizerPlan::name);
}

Json RunPlan::resolved() const {
  Json json{{"neume", NEUME_VERSION}, {"run", json_of(run)}};
  json["data"] = {{"folder", data_folder}};
  if (synth) json["synth"] = json_of(*synth);
  json["items"] = json_of(items);
  for (const data::ModalitySource& modality : modalities) json["modalities"][modality.name] = modality.source;
  json["labels"] = json_of(labels);
  json["log"] = json_of(log);
  for (const QuantizerPlan& plan : quantizers) json["quantizer"].push_back(json_of(plan));
  for (const RankerPlan& plan : rankers) {
    Json entry = json_of(plan);
    entry.erase("seed");  // [run] seeds
    if (!plan.tables.empty()) entry["table"] = plan.tables;
    json["ranker"].push_back(std::move(entry));
  }
  json["evaluate"] = json_of(judge);
  return json;
}

Json ComparePlan::resolved() const {
  Json json = run.resolved();
  json["compare"] = json_of(compare);
  return json;
}

RunPlan read_run_plan(const RunSettings& settings) {
  return PlanReader(settings).read();
}

ComparePlan read_compare_plan(const CompareSettings& settings) {
  ComparePlan plan;
  PlanReader reader(settings.run, &plan.compare);
  plan.run = reader.read();
  plan.says_full_ranking = reader.has("evaluate", "full-ranking");
  if (plan.run.rankers.empty()) {
    throw DataError(fmt::format("{}: [[ranker]]: expected at least one to compare", settings.run.file));
  }
  for (const RankerPlan& ranker : plan.run.rankers) {
    try {
      ranker.options.validate();
    } catch (const InvalidArgument& error) {
      throw DataError(fmt::format("{}: [[ranker]] {}: {}", settings.run.file, ranker.name, error.what()));
    }
  }
  for (const std::string& name : plan.compare.baseline) {
    if (std::ranges::count(plan.run.rankers, name, &RankerPlan::name) > 0) continue;
    std::vector<std::string> names;
    for (const RankerPlan& ranker : plan.run.rankers) names.push_back(ranker.name);
    throw DataError(fmt::format("{}: [compare] baseline: there is no ranker named {}; there are {}", settings.run.file,
                                name, fmt::join(names, "; ")));
  }
  plan.compare.seeds = plan.run.run.seeds;
  if (settings.jobs != 0) plan.compare.jobs = settings.jobs;
  return plan;
}

}  // namespace neume::app

#include "run_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <string_view>

#include <neume/error.hpp>

#include "option_json.hpp"
#include "toml_reader.hpp"

namespace neume::app {

namespace {

constexpr std::array<std::string_view, 10> kSections{"run",    "data", "synth",     "items",  "modalities",
                                                     "labels", "log",  "quantizer", "ranker", "evaluate"};

/// [data] has one key.
struct OneText {
  std::string_view key;
  std::string value;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text(key, value, "");
  }
};

/// Reads the tables of one file into a plan.
class PlanReader {
 public:
  PlanReader(const RunSettings& settings) : settings_(settings), table_(parse_toml(settings.file)) {}

  RunPlan read() {
    check_sections();
    read_section("run", plan_.run);
    if (!settings_.out.empty()) plan_.run.out = settings_.out;
    if (!settings_.seeds.empty()) plan_.run.seeds = settings_.seeds;
    if (plan_.run.out.empty()) fail("[run] out: expected the folder of the run, found none; or give --out");
    if (std::set(plan_.run.seeds.begin(), plan_.run.seeds.end()).size() != plan_.run.seeds.size()) {
      fail("[run] seeds: a seed occurs twice");
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

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(fmt::format("{}: {}", settings_.file, what));
  }

  void check_sections() const {
    for (const auto& [key, node] : table_) {
      const bool known = std::ranges::count(kSections, key.str()) > 0;
      const bool repeated = key.str() == "quantizer" || key.str() == "ranker";
      const auto line = node.source().begin.line;
      if (!known) {
        throw DataError(fmt::format("{}:{}: [{}]: unknown table; known tables: {}", settings_.file, line, key.str(),
                                    fmt::join(kSections, ", ")));
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

  /// Calls read(reader) for every table of [[name]].
  void for_each_of(const std::string& name, const std::function<void(TomlReader&)>& read) const {
    const toml::array* tables = table_[name].as_array();
    if (tables == nullptr) return;
    for (const toml::node& node : *tables) {
      TomlReader reader(*node.as_table(), settings_.file, name);
      read(reader);
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

  /// A name that can be a folder's, and that `taken` does not hold.
  template <class Plan>
  void check_name(const TomlReader& reader, const std::string& name, const std::vector<Plan>& taken) const {
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
      reader.fail("name", "expected a name, not empty, without / and not starting with a dot");
    }
    if (std::ranges::count(taken, name, &Plan::name) > 0) reader.fail("name", fmt::format("{} occurs twice", name));
  }

  void read_quantizers() {
    for_each_of("quantizer", [&](TomlReader& reader) {
      QuantizerPlan quantizer;
      quantizer.options.quantizer.seed = plan_.run.seed;
      quantizer.describe(reader);
      reader.finish();
      check_name(reader, quantizer.name, plan_.quantizers);
      try {
        quantizer.options.quantizer.validate();
      } catch (const InvalidArgument& error) {
        fail(fmt::format("[[quantizer]] {}: {}", quantizer.name, error.what()));
      }
      plan_.quantizers.push_back(std::move(quantizer));
    });
    if (plan_.quantizers.empty()) fail("[[quantizer]]: expected at least one");
  }

  void read_rankers() {
    for_each_of("ranker", [&](TomlReader& reader) {
      RankerPlan ranker;
      ranker.describe(reader);
      reader.finish();
      check_name(reader, ranker.name, plan_.rankers);
      if (reader.has("seed")) reader.fail("seed", "the seeds of all rankers are [run] seeds");
      const bool needs_no_ids = ranker.options.model == RankerModel::din && ranker.options.families.empty();
      if (ranker.quantizer.empty() && plan_.quantizers.size() > 1 && !needs_no_ids) {
        reader.fail("quantizer", "is needed: there are several");
      }
      if (ranker.quantizer.empty()) ranker.quantizer = plan_.quantizers[0].name;
      if (std::ranges::count(plan_.quantizers, ranker.quantizer, &QuantizerPlan::name) == 0) {
        reader.fail("quantizer", fmt::format("there is no [[quantizer]] named {}", ranker.quantizer));
      }
      plan_.rankers.push_back(std::move(ranker));
    });
    if (!plan_.rankers.empty() && plan_.log.train.empty()) fail("[log] train: rankers need a training log, found none");
    if (!plan_.rankers.empty() && plan_.log.test.empty()) fail("[log] test: rankers need a test log, found none");
  }

  const RunSettings& settings_;
  toml::table table_;
  RunPlan plan_;
};

}  // namespace

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
    json["ranker"].push_back(std::move(entry));
  }
  json["evaluate"] = json_of(judge);
  return json;
}

RunPlan read_run_plan(const RunSettings& settings) {
  return PlanReader(settings).read();
}

}  // namespace neume::app

#include "run_stages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/sids_file.hpp"
#include "example_listener.hpp"
#include "input_files.hpp"
#include "item_info.hpp"
#include "option_json.hpp"
#include "quality.hpp"
#include "rank/bundle.hpp"
#include "report.hpp"
#include "stage.hpp"
#include "sweep.hpp"

namespace neume::app {

namespace {

using Path = std::filesystem::path;
using Clock = std::chrono::steady_clock;

std::string seconds_since(Clock::time_point start) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(Clock::now() - start).count());
}

/// A folder's own name, however its path is written ("runs/a/", ".").
std::string name_of(const Path& folder) {
  const Path path = std::filesystem::absolute(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

/// The mean over seeds of a metric, or -1 where it is undefined.
double mean_auc(const RankerResult& result) {
  double sum = 0.0;
  for (const Json& metrics : result.metrics) {
    if (!metrics.at("auc").is_number()) return -1.0;
    sum += metrics.at("auc").get<double>();
  }
  return sum / static_cast<double>(result.metrics.size());
}

class Run {
 public:
  Run(const RunPlan& plan, Console& console) : plan_(plan), console_(console) {}

  RunResults run() {
    make_data();
    RunResults results;
    for (const QuantizerPlan& quantizer : plan_.quantizers) {
      fit(quantizer);
      results.quality.emplace_back(quantizer.name, judge(quantizer));
    }
    report(results);
    catalogue_.reset();
    if (!plan_.rankers.empty()) log_fingerprints_ = fingerprints_of_logs();
    for (const RankerPlan& ranker : plan_.rankers) {
      RankerResult result{ranker.name, {}};
      for (const std::uint64_t seed : plan_.run.seeds) {
        train_one(ranker, seed);
        result.metrics.push_back(judge(ranker, seed));
      }
      results.rankers.push_back(std::move(result));
    }
    if (!plan_.rankers.empty()) report(results);
    results.example = example(results.rankers);
    return results;
  }

 private:
  Path quantizer_folder(const std::string& name) const { return plan_.out() / "quantizers" / name; }
  Path sids_file(const std::string& quantizer) const { return quantizer_folder(quantizer) / "sids.parquet"; }
  Path ranker_folder(const RankerPlan& ranker, std::uint64_t seed) const {
    return plan_.out() / "rankers" / ranker.name / fmt::format("seed-{}", seed);
  }

  void say(const std::string& stage, const std::string& outcome) {
    console_.note(fmt::format("{:<44} {}", stage, outcome));
  }

  void make_data() {
    if (!plan_.synth) return;
    const Stage stage(plan_.data_folder, {{"synth", json_of(*plan_.synth)}});
    if (stage.is_up_to_date()) return say("synthetic data", "up to date");
    const auto start = Clock::now();
    stage.begin();
    data::write_synthetic_set(*plan_.synth, plan_.data_folder, console_.progress("synthetic data"));
    stage.finish();
    say("synthetic data", seconds_since(start));
  }

  const data::Catalogue& catalogue() {
    if (!catalogue_) catalogue_ = data::open_catalogue(plan_.modalities, plan_.items.options);
    return *catalogue_;
  }

  Json modality_inputs() {
    if (!modality_inputs_.is_null()) return modality_inputs_;
    for (const data::ModalitySource& modality : plan_.modalities) {
      modality_inputs_.push_back({{"name", modality.name}, {"source", inputs_of_source(modality.source)}});
    }
    return modality_inputs_;
  }

  void fit(const QuantizerPlan& quantizer) {
    const std::string title = fmt::format("quantizer {}", quantizer.name);
    const Json config = json_of(quantizer);
    const Stage stage(quantizer_folder(quantizer.name), {{"quantizer", config},
                                                         {"item-column", plan_.items.options.item_column},
                                                         {"zero-is-missing", plan_.items.options.zero_is_missing},
                                                         {"modalities", modality_inputs()}});
    if (stage.is_up_to_date()) return say(title, "up to date");
    const auto start = Clock::now();
    stage.begin();
    const FittedCodebooks fitted = fit_codebooks_of(quantizer);
    save_codebooks(fitted, config, stage.folder());
    data::write_semantic_ids(sids_file(quantizer.name), fitted.sids);
    stage.finish();
    say(title, seconds_since(start));
    if (const std::string choice = prefix_weight_text(fitted); !choice.empty()) console_.note(choice);
  }

  /// Says which of the quantizers it is that cannot be fitted.
  FittedCodebooks fit_codebooks_of(const QuantizerPlan& quantizer) {
    const data::Catalogue& items = catalogue();
    try {
      return fit_codebooks(items, quantizer.options, console_);
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(fmt::format("quantizer {}: {}", quantizer.name, error.what()));
    } catch (const DataError& error) {
      throw DataError(fmt::format("quantizer {}: {}", quantizer.name, error.what()));
    }
  }

  Json item_inputs() {
    Json inputs{{"item-column", plan_.items.options.item_column}};
    for (const std::string& source : {plan_.labels.source, plan_.labels.tags, plan_.items.names})
      inputs["sources"].push_back(source.empty() ? Json() : inputs_of_source(source));
    return inputs;
  }

  RowOptions row_options() const {
    RowOptions options;
    options.seed = plan_.run.seed;
    return options;
  }

  JudgedQuantizer read(const QuantizerPlan& quantizer) {
    JudgedQuantizer judged{quantizer.name,
                           data::read_semantic_ids(sids_file(quantizer.name)),
                           load_codebooks(quantizer_folder(quantizer.name)),
                           {},
                           {}};
    judged.rows = read_family_rows(catalogue(), judged.codebooks, judged.sids, row_options());
    return judged;
  }

  const ItemInfo& item_info() {
    if (!item_info_)
      item_info_ = read_item_info(catalogue().items, {plan_.labels.source, plan_.labels.tags, plan_.items.names,
                                                      plan_.items.options.item_column});
    return *item_info_;
  }

  /// The same IDs may come from other codebooks, whose reconstruction differs; the manifest knows them by content.
  Json fitted_inputs(const QuantizerPlan& quantizer) const {
    return {{"sids", base::fingerprint_of_file(sids_file(quantizer.name))},
            {"codebooks", base::fingerprint_of_file(quantizer_folder(quantizer.name) / "manifest.json")}};
  }

  Json judge(const QuantizerPlan& quantizer) {
    const Json inputs{{"quantizer", fitted_inputs(quantizer)},
                      {"rows", json_of(row_options())},
                      {"items", item_inputs()},
                      {"modalities", modality_inputs()}};
    return cached_json(quantizer_folder(quantizer.name) / "quality.json", inputs, [&] {
      const auto start = Clock::now();
      const JudgedQuantizer judged = read(quantizer);
      Json quality = quality_json(judged.sids, item_info().labels.of_item, plan_.run.seed, judged.rows);
      // Where the weight was chosen, every family has its own.
      for (std::size_t f = 0; f < judged.codebooks.size(); ++f)
        if (const QuantizerOptions& options = judged.codebooks[f].quantizer.options();
            options.method == QuantizerMethod::psrq)
          quality["families"][f]["prefix_weight"] = options.prefix_weight;
      say(fmt::format("quality of {}", quantizer.name), seconds_since(start));
      return quality;
    });
  }

  /// The page of all quantizers. Its data are kept, as the map takes its time.
  void report(const RunResults& results) {
    Json inputs{{"items", item_inputs()}, {"rows", json_of(row_options())}, {"modalities", modality_inputs()}};
    for (const QuantizerPlan& quantizer : plan_.quantizers)
      inputs["quantizers"][quantizer.name] = fitted_inputs(quantizer);
    const auto start = Clock::now();
    bool was_fresh = false;
    Json report = cached_json(
        plan_.out() / "report.json", inputs,
        [&] {
          std::vector<JudgedQuantizer> judged;
          for (std::size_t q = 0; q < plan_.quantizers.size(); ++q) {
            judged.push_back(read(plan_.quantizers[q]));
            judged.back().quality = results.quality[q].second;
          }
          ReportOptions options;
          options.title = name_of(plan_.out());
          options.seed = plan_.run.seed;
          return report_json(judged, item_info(), options, console_);
        },
        &was_fresh);
    if (const Json points = sweep_of(plan_, results); !points.empty()) report["sweep"] = {{"points", points}};
    report.erase("fingerprint");
    write_report(plan_.out() / "report.html", report);
    say("report.html", was_fresh ? "up to date" : seconds_since(start));
  }

  Json fingerprints_of_logs() const {
    Json json{{"train", fingerprint_of_source(plan_.log.train)}, {"options", json_of(plan_.log.options)}};
    if (!plan_.log.validation.empty()) json["validation"] = fingerprint_of_source(plan_.log.validation);
    return json;
  }

  /// What a ranker learns from; kept from one training to the next that reads the same.
  const rank::TrainingData& training_data(const RankerPlan& ranker) {
    const RankerOptions& options = ranker.options;
    const Json key{ranker.quantizer, options.features, options.feature_buckets, options.shuffle_rows};
    if (!training_data_ || training_key_ != key) {
      training_data_.reset();
      training_data_ = read_training_data({sids_file(ranker.quantizer).string(),
                                           plan_.log.train,
                                           plan_.log.validation,
                                           plan_.log.options,
                                           options.features,
                                           options.feature_buckets,
                                           {plan_.out(), options.shuffle_rows}});
      training_key_ = key;
    }
    return *training_data_;
  }

  void train_one(const RankerPlan& ranker, std::uint64_t seed) {
    const std::string title = fmt::format("ranker {}, seed {}", ranker.name, seed);
    RankerOptions options = ranker.options;
    options.seed = seed;
    Json inputs{{"ranker", json_of(options)},
                {"sids", base::fingerprint_of_file(sids_file(ranker.quantizer))},
                {"logs", log_fingerprints_}};
    for (const std::string& text : options.features) {
      const std::string file = data::FeatureSpec::parse(text).file;
      if (!file.empty()) inputs["feature tables"][text] = fingerprint_of_source(file);
    }
    const Stage stage(ranker_folder(ranker, seed), inputs);
    if (stage.is_up_to_date()) return say(title, "up to date");
    const auto start = Clock::now();
    const rank::TrainingData& data = training_data(ranker);
    stage.begin();
    rank::TrainingEvents events;
    events.progress = console_.progress(title);
    events.resumed = [&](std::size_t step, std::size_t epoch) {
      say(title, fmt::format("goes on from its checkpoint at step {} of epoch {}", step, epoch));
    };
    const rank::TrainingResult result = rank::train_ranker(data, options, stage.folder(), events);
    stage.finish();
    say(title, fmt::format("{}  training loss {:.4f}", seconds_since(start), result.epochs.back().training_loss));
  }

  Json judge(const RankerPlan& ranker, std::uint64_t seed) {
    const Path folder = ranker_folder(ranker, seed);
    const Json inputs{{"ranker", base::fingerprint_of_file(folder / "manifest.json")},
                      {"parameters", base::fingerprint_of_file(folder / "ranker.safetensors")},
                      {"test", fingerprint_of_source(plan_.log.test)},
                      {"log", json_of(plan_.log.options)},
                      {"judge", json_of(plan_.judge)}};
    return cached_json(folder / "metrics.json", inputs, [&] {
      rank::RankerBundle bundle = rank::RankerBundle::load(folder);
      return judge_ranker(bundle, {plan_.log.test, plan_.log.options}, plan_.judge,
                          console_.progress(fmt::format("judge {}, seed {}", ranker.name, seed)));
    });
  }

  /// What the best ranker (no control) with the first seed recommends to somebody.
  Json example(const std::vector<RankerResult>& results) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (plan_.rankers[i].options.permute_items) continue;
      if (!best || mean_auc(results[i]) > mean_auc(results[*best])) best = i;
    }
    if (!best) return nullptr;
    const RankerPlan& ranker = plan_.rankers[*best];
    const Path folder = ranker_folder(ranker, plan_.run.seeds[0]);
    Json inputs{{"parameters", base::fingerprint_of_file(folder / "ranker.safetensors")},
                {"sids", base::fingerprint_of_file(sids_file(ranker.quantizer))},
                {"item-column", plan_.items.options.item_column},
                {"log", json_of(plan_.log.options)},
                {"test", fingerprint_of_source(plan_.log.test)}};
    if (!plan_.items.names.empty()) inputs["names"] = inputs_of_source(plan_.items.names);
    return cached_json(plan_.out() / "example.json", inputs, [&] {
      Json json =
          example_listener({folder, sids_file(ranker.quantizer), plan_.log.test, plan_.log.options, plan_.items});
      json["ranker"] = ranker.name;
      json["seed"] = plan_.run.seeds[0];
      return json;
    });
  }

  const RunPlan& plan_;
  Console& console_;
  std::optional<data::Catalogue> catalogue_;
  std::optional<ItemInfo> item_info_;
  Json modality_inputs_;
  Json log_fingerprints_;
  std::optional<rank::TrainingData> training_data_;
  Json training_key_;
};

}  // namespace

RunResults run_stages(const RunPlan& plan, Console& console) {
  return Run(plan, console).run();
}

}  // namespace neume::app

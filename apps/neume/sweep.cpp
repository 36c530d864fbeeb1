#include "sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include <neume/error.hpp>

#include "report.hpp"

namespace neume::app {

namespace {

constexpr std::string_view kBalanced = "balanced-";

QuantizerOptions options_of(const std::string& method, const QuantizerOptions& base) {
  QuantizerOptions options = base;
  options.balanced = method.starts_with(kBalanced);
  const std::string_view name = options.balanced ? std::string_view(method).substr(kBalanced.size()) : method;
  const auto found = std::ranges::find(kQuantizerMethodNames, name);
  if (found == kQuantizerMethodNames.end())
    throw InvalidArgument(fmt::format("--methods: expected one of {}, balanced-rq, balanced-vq, found {}",
                                      fmt::join(kQuantizerMethodNames, ", "), method.empty() ? "nothing" : method));
  options.method = static_cast<QuantizerMethod>(found - kQuantizerMethodNames.begin());
  return options;
}

/// Whether the ranker's AUC tells what this family of this quantizer is worth.
bool reads_only(const RankerPlan& ranker, const std::string& quantizer, const std::string& family) {
  if (ranker.quantizer != quantizer || ranker.options.permute_items) return false;
  if (ranker.options.families == std::vector<std::string>{family}) return true;
  return family == "joint" && ranker.options.model == RankerModel::mcca && ranker.options.families.empty();
}

/// The mean over seeds; nothing where one of them is undefined.
std::optional<double> mean_of(const RankerResult& result, const char* metric) {
  double sum = 0.0;
  for (const Json& metrics : result.metrics) {
    if (!metrics.at(metric).is_number()) return std::nullopt;
    sum += metrics.at(metric).get<double>();
  }
  return sum / static_cast<double>(result.metrics.size());
}

struct SweepColumn {
  const char* key;
  const char* head;
  int decimals;  ///< -1: as it is
};

constexpr std::array<SweepColumn, 14> kColumns{{{"family", "family", -1},
                                                {"method", "method", -1},
                                                {"prefix_weight", "prefix weight", -1},
                                                {"layers", "L", -1},
                                                {"codes", "k", -1},
                                                {"variance_explained", "variance expl.", 4},
                                                {"share_of_rq", "of rq's", 3},
                                                {"conditional_entropy_2", "H(c2|c1)", 3},
                                                {"conditional_entropy", "H(c|prefix)", 3},
                                                {"conditional_information", "I(c;label|prefix)", 3},
                                                {"conditional_information_null", "if shuffled", 3},
                                                {"unique_sid_rate", "distinct IDs / items", 3},
                                                {"auc", "AUC", 4},
                                                {"auc_cold", "AUC cold", 4}}};

std::vector<SweepColumn> filled(const std::vector<Json>& points) {
  std::vector<SweepColumn> columns;
  for (const SweepColumn& column : kColumns)
    if (std::ranges::any_of(points, [&](const Json& point) { return point.contains(column.key); }))
      columns.push_back(column);
  return columns;
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value;
  if (!value.is_array()) return fmt::format("{}", value.get<double>());
  return fmt::format("{}", fmt::join(value.get<std::vector<std::size_t>>(), " "));
}

}  // namespace

std::vector<QuantizerPlan> quantizers_of(const SweepGrid& grid, const CodebookOptions& base) {
  std::vector<QuantizerPlan> plans;
  const auto add = [&](const std::string& name, const QuantizerOptions& options) {
    options.validate();
    QuantizerPlan plan{name, base};
    plan.options.quantizer = options;
    if (std::ranges::count(plans, name, &QuantizerPlan::name) == 0) plans.push_back(std::move(plan));
  };
  for (const std::string& method : grid.methods) {
    for (const std::size_t k : grid.codes) {
      for (const std::size_t num_layers : grid.layers) {
        QuantizerOptions options = options_of(method, base.quantizer);
        options.codes = {k};
        options.layers = options.method == QuantizerMethod::vq ? 1 : num_layers;
        const std::string shape = fmt::format("k{}-L{}", k, options.layers);
        if (options.method != QuantizerMethod::psrq) {
          add(fmt::format("{}-{}", method, shape), options);
          continue;
        }
        for (const double weight : grid.prefix_weights) {
          options.prefix_weight = weight;
          add(fmt::format("{}-w{}-{}", method, weight, shape), options);
        }
      }
    }
  }
  return plans;
}

std::vector<Json> sweep_of(const RunPlan& plan, const RunResults& results) {
  std::vector<Json> points;
  for (std::size_t q = 0; q < plan.quantizers.size(); ++q) {
    const QuantizerPlan& quantizer = plan.quantizers[q];
    for (Json& point : sweep_points(quantizer.options.quantizer, results.quality[q].second)) {
      for (std::size_t r = 0; r < results.rankers.size(); ++r) {
        if (!reads_only(plan.rankers[r], quantizer.name, point.at("family"))) continue;
        for (const char* metric : {"auc", "auc_cold"})
          if (const auto mean = mean_of(results.rankers[r], metric)) point[metric] = *mean;
      }
      points.push_back(std::move(point));
    }
  }
  add_shares_of_rq(points);
  std::ranges::stable_sort(points, {}, [](const Json& point) { return point.at("family").get<std::string>(); });
  return points;
}

TextTable sweep_table(const std::vector<Json>& points) {
  const std::vector<SweepColumn> columns = filled(points);
  std::vector<std::string> header;
  header.reserve(columns.size());
  for (const SweepColumn& column : columns) header.emplace_back(column.head);
  TextTable table(std::move(header), 2);
  for (const Json& point : points) {
    std::vector<std::string> cells;
    for (const SweepColumn& column : columns) {
      if (!point.contains(column.key)) {
        cells.emplace_back("-");
      } else if (column.decimals < 0) {
        cells.push_back(text_of(point.at(column.key)));
      } else {
        cells.push_back(fmt::format("{:.{}f}", point.at(column.key).get<double>(), column.decimals));
      }
    }
    table.add(std::move(cells));
  }
  return table;
}

std::string sweep_csv(const std::vector<Json>& points) {
  const std::vector<SweepColumn> columns = filled(points);
  std::string csv;
  for (const SweepColumn& column : columns) csv += fmt::format("{}{}", csv.empty() ? "" : ",", column.key);
  csv += "\n";
  for (const Json& point : points) {
    for (std::size_t c = 0; c < columns.size(); ++c)
      csv += fmt::format("{}{}", c == 0 ? "" : ",",
                         point.contains(columns[c].key) ? text_of(point.at(columns[c].key)) : "");
    csv += "\n";
  }
  return csv;
}

}  // namespace neume::app

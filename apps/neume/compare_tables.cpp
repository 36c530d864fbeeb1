// The tables of compare.hpp, from the JSON: nothing is printed that compare.json does not hold.

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "compare.hpp"
#include "metric_values.hpp"

namespace neume::app {

namespace {

/// Which metrics make the columns of one table.
struct Columns {
  std::string heading;
  std::vector<Json> metrics;       ///< entries of "metrics"
  std::vector<std::string> heads;  ///< one for each
};

class Writer {
 public:
  Writer(const Json& comparison, TextForm form) : comparison_(comparison), form_(form) {
    for (const Json& ranker : comparison.at("rankers")) rankers_[ranker.at("name")] = &ranker;
  }

  std::string text() const {
    std::string text;
    for (const Json& table : comparison_.at("tables")) text += table_of(table);
    text += paragraph(legend());
    if (const std::string slices = slice_legend(); !slices.empty()) text += paragraph(slices).substr(1);
    for (const Json& note : comparison_.at("notes")) text += paragraph(note.get<std::string>()).substr(1);
    return text;
  }

 private:
  /// The metrics themselves, their differences, and the tables of the slices and of the calibration.
  std::string table_of(const Json& table) const {
    const std::string title = table.at("title"), baseline = table.at("baseline");
    const Columns main = columns("main", "");
    std::string text = part(
        title, main, [&](const Json& row) { return value_cells(row, main); }, table);
    if (table.at("rows").size() > 1) {
      const std::string name = fmt::format("{}: difference to {}, seed by seed", title, baseline);
      text += part(
          name, main, [&](const Json& row) { return difference_cells(row, main); }, table);
    }
    for (const auto& [group, name] :
         {std::pair("cold", "AUC on cold items"), std::pair("popularity", "AUC by popularity")})
      if (const Columns slices = columns(group, "/auc"); !slices.metrics.empty())
        text += part(
            fmt::format("{}: {}", title, name), slices, [&](const Json& row) { return value_cells(row, slices); },
            table);
    const Columns calibration = columns("calibration", "");
    return text + part(
                      title + ": calibration", calibration,
                      [&](const Json& row) { return value_cells(row, calibration); }, table);
  }

  Columns columns(const std::string& group, const std::string& ending) const {
    Columns columns;
    for (const Json& metric : comparison_.at("metrics")) {
      if (metric.at("group") != group || !metric.at("key").get<std::string>().ends_with(ending)) continue;
      columns.metrics.push_back(metric);
      columns.heads.push_back(metric.value("slice", metric.at("title").get<std::string>()));
    }
    return columns;
  }

  template <class Cells>
  std::string part(const std::string& title, const Columns& columns, const Cells& cells, const Json& table) const {
    std::vector<std::string> header{"ranker"};
    header.insert(header.end(), columns.heads.begin(), columns.heads.end());
    TextTable rows(header);
    for (const Json& row : table.at("rows")) {
      std::vector<std::string> line{row_title(row)};
      std::ranges::move(cells(row), std::back_inserter(line));
      rows.add(std::move(line));
    }
    const std::string text = heading(title, form_) + table_text(rows, form_);
    return form_ == TextForm::plain ? text + "\n" : text + "\n\n";
  }

  std::string row_title(const Json& row) const {
    const std::string name = row.at("ranker");
    return rankers_.at(name)->at("control").get<bool>() ? name + " (control)" : name;
  }

  std::vector<std::string> value_cells(const Json& row, const Columns& columns) const {
    return cells_of(rankers_.at(row.at("ranker"))->at("metrics"), columns, false);
  }

  static std::vector<std::string> difference_cells(const Json& row, const Columns& columns) {
    if (row.contains("differences")) return cells_of(row.at("differences"), columns, true);
    std::vector<std::string> cells(columns.metrics.size());
    cells[0] = "baseline";
    return cells;
  }

  static std::vector<std::string> cells_of(const Json& estimates, const Columns& columns, bool is_difference) {
    std::vector<std::string> cells;
    for (const Json& metric : columns.metrics) {
      const std::string key = metric.at("key");
      if (!estimates.contains(key)) {
        cells.emplace_back("-");
      } else if (key == "base_rate") {  // of the test log: no matter of seeds
        cells.push_back(fmt::format("{:.4f}", estimates.at(key).at("mean").get<double>()));
      } else {
        cells.push_back(estimate_text(estimate_of(estimates.at(key)), is_difference));
      }
    }
    return cells;
  }

  static eval::Estimate estimate_of(const Json& json) {
    const Json& half_width = json.at("half_width_95");
    return {json.at("mean"),
            half_width.is_number() ? half_width.get<double>() : std::numeric_limits<double>::infinity(), 0};
  }

  std::string legend() const {
    const Json& test = comparison_.at("test");
    const std::size_t num_seeds = comparison_.at("seeds").size();
    std::string text = fmt::format(
        "{} test samples of {} users, {} of them on cold items (fewer than {} training interactions). GAUC weighs "
        "users "
        "by their samples.",
        test.at("samples").get<std::size_t>(), test.at("users").get<std::size_t>(),
        test.at("cold_samples").get<std::size_t>(), test.at("cold_threshold").get<std::size_t>());
    if (num_seeds > 1) {
      text += fmt::format(
          " Means over {} seeds ± half of the 95% interval (Student's t). A * marks a difference whose interval leaves "
          "out 0: of 20 equal rankers one has it by chance.",
          num_seeds);
    } else {
      text += " One seed: no intervals.";
    }
    const bool has_control =
        std::ranges::any_of(comparison_.at("rankers"), [](const Json& r) { return r.at("control").get<bool>(); });
    if (has_control) text += " A control has the same IDs, given to other items: only their content is missing.";
    return text;
  }

  /// "head: 71 items, 9,120 samples".
  std::string slice_legend() const {
    std::vector<std::string> parts;
    for (const Json& slice : comparison_.at("slices")) {
      parts.push_back(fmt::format("{}: {} items, {} test samples", slice.at("name").get<std::string>(),
                                  slice.value("items", std::size_t{0}), slice.value("samples", std::size_t{0})));
    }
    return parts.empty() ? "" : fmt::format("{}.", fmt::join(parts, "; "));
  }

  const Json& comparison_;
  TextForm form_;
  std::map<std::string, const Json*> rankers_;
};

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char character : text) {
    if (character == '"') quoted += '"';
    quoted += character;
  }
  return quoted + "\"";
}

}  // namespace

std::string comparison_text(const Json& comparison, TextForm form) {
  return Writer(comparison, form).text();
}

std::string comparison_csv(const Json& comparison) {
  std::string csv = "ranker,quantizer,seed,metric,value\n";
  const Json& seeds = comparison.at("seeds");
  for (const Json& ranker : comparison.at("rankers")) {
    const std::string name = csv_field(ranker.at("name"));
    const std::string quantizer =
        ranker.at("quantizer").is_null() ? "" : csv_field(ranker.at("quantizer").get<std::string>());
    for (const auto& [key, estimate] : ranker.at("metrics").items()) {
      for (std::size_t s = 0; s < seeds.size(); ++s) {
        csv += fmt::format("{},{},{},{},{}\n", name, quantizer, seeds[s].get<std::uint64_t>(), csv_field(key),
                           estimate.at("by_seed").at(s).get<double>());
      }
    }
  }
  return csv;
}

}  // namespace neume::app

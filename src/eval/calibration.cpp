#include "eval/calibration.hpp"

#include <algorithm>
#include <cmath>

#include <neume/error.hpp>

#include "eval/score_rows.hpp"

namespace neume::eval {

namespace {

/// A row in the order of logits, then labels. Equal rows are interchangeable, so an unstable sort gives one result.
struct OrderedRow {
  std::uint32_t key;
  float logit;
  std::uint8_t label;

  bool operator<(const OrderedRow& other) const { return key != other.key ? key < other.key : label < other.label; }
};

std::vector<OrderedRow> in_order(std::span<const float> logits, std::span<const std::uint8_t> labels) {
  std::vector<OrderedRow> rows(logits.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = {order_key(logits[i]), logits[i], labels[i]};
  std::sort(rows.begin(), rows.end());
  return rows;
}

ReliabilityBin bin_of(std::span<const OrderedRow> rows) {
  ReliabilityBin bin;
  bin.samples = rows.size();
  for (const OrderedRow& row : rows) {
    bin.mean_prediction += probability_of(row.logit);
    bin.positive_rate += row.label;
  }
  bin.mean_prediction /= static_cast<double>(rows.size());
  bin.positive_rate /= static_cast<double>(rows.size());
  return bin;
}

}  // namespace

std::vector<ReliabilityBin> reliability(std::span<const float> logits, std::span<const std::uint8_t> labels,
                                        std::size_t bins) {
  require_valid(logits, labels);
  if (bins == 0) throw InvalidArgument("bins of a reliability table: expected at least 1, found 0");
  std::vector<ReliabilityBin> result;
  if (logits.empty()) return result;
  const std::vector<OrderedRow> rows = in_order(logits, labels);
  std::size_t begin = 0;
  for (std::size_t b = 0; b < bins && begin < rows.size(); ++b) {
    std::size_t end = (b + 1) * (rows.size() - 1) / bins + 1;
    while (end < rows.size() && rows[end].key == rows[end - 1].key) ++end;
    if (end <= begin) continue;  // a tie has taken this part's rows
    result.push_back(bin_of(std::span(rows).subspan(begin, end - begin)));
    begin = end;
  }
  return result;
}

double expected_calibration_error(std::span<const ReliabilityBin> bins) {
  double sum = 0.0;
  double samples = 0.0;
  for (const ReliabilityBin& bin : bins) {
    sum += static_cast<double>(bin.samples) * std::abs(bin.mean_prediction - bin.positive_rate);
    samples += static_cast<double>(bin.samples);
  }
  return samples > 0.0 ? sum / samples : 0.0;
}

}  // namespace neume::eval

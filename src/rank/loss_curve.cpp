#include "rank/loss_curve.hpp"

#include <nlohmann/json.hpp>

namespace neume::rank {

namespace {
constexpr std::size_t kStretches = 100;
}

void LossCurve::add(const Step& step, std::size_t done, std::size_t total) {
  loss_sum_ += step.loss_sum;
  samples_ += step.samples;
  const std::size_t stretches_before = (done - step.samples) * kStretches / total;
  if (done * kStretches / total == stretches_before) return;
  points_.push_back({step.number, loss_sum_ / static_cast<double>(samples_), step.learning_rate});
  loss_sum_ = 0.0;
  samples_ = 0;
}

nlohmann::json curve_to_json(const std::vector<CurvePoint>& points) {
  nlohmann::json json = {{"step", nlohmann::json::array()},
                         {"training_loss", nlohmann::json::array()},
                         {"learning_rate", nlohmann::json::array()}};
  for (const CurvePoint& point : points) {
    json["step"].push_back(point.step);
    json["training_loss"].push_back(point.training_loss);
    json["learning_rate"].push_back(point.learning_rate);
  }
  return json;
}

std::vector<CurvePoint> curve_from_json(const nlohmann::json& json) {
  std::vector<CurvePoint> points;
  for (std::size_t i = 0; i < json.at("step").size(); ++i) {
    points.push_back({json.at("step").at(i), json.at("training_loss").at(i), json.at("learning_rate").at(i)});
  }
  return points;
}

void to_json(nlohmann::json& json, const LossCurve& curve) {
  json = {{"points", curve_to_json(curve.points_)}, {"loss_sum", curve.loss_sum_}, {"samples", curve.samples_}};
}

void from_json(const nlohmann::json& json, LossCurve& curve) {
  curve.points_ = curve_from_json(json.at("points"));
  json.at("loss_sum").get_to(curve.loss_sum_);
  json.at("samples").get_to(curve.samples_);
}

}  // namespace neume::rank

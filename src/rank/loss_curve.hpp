#pragma once
// The learning curve of an epoch: the mean training loss of each of about a hundred stretches of it.

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include <neume/ranker.hpp>

namespace neume::rank {

/// Collects the losses of an epoch's steps. A stretch ends with the first step that reaches the next hundredth of the
/// epoch's samples, so there is one point a step where an epoch has fewer than a hundred of them. What it holds goes
/// into a checkpoint, so a resumed training draws the curve of one that was never stopped.
class LossCurve {
 public:
  struct Step {
    std::size_t number = 0;   ///< of the training's steps
    std::size_t samples = 0;  ///< of its batch
    double loss_sum = 0.0;    ///< over them
    double learning_rate = 0.0;
  };

  /// Adds a step that ends at sample `done` of the epoch's `total`.
  void add(const Step& step, std::size_t done, std::size_t total);

  /// The finished stretches, which are the whole epoch once `done` was `total`.
  const std::vector<CurvePoint>& points() const { return points_; }

  void clear() { *this = LossCurve(); }

 private:
  friend void to_json(nlohmann::json& json, const LossCurve& curve);
  friend void from_json(const nlohmann::json& json, LossCurve& curve);

  std::vector<CurvePoint> points_;
  double loss_sum_ = 0.0;  // of the stretch that is under way
  std::size_t samples_ = 0;
};

/// {"step": [...], "training_loss": [...], "learning_rate": [...]}: three lists of one length.
nlohmann::json curve_to_json(const std::vector<CurvePoint>& points);
/// Throws nlohmann::json::exception where that is not what it is given.
std::vector<CurvePoint> curve_from_json(const nlohmann::json& json);

}  // namespace neume::rank

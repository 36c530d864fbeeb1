#include "serve/canaries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <neume/error.hpp>

#include "rank/bundle.hpp"

namespace neume::serve {

namespace {

using rank::RequestItem;

constexpr std::size_t kCandidates = 200;  // of a canary
// The scorer promises 1e-5; a model that is wrong is wrong by much more, and one at the edge should not be refused.
constexpr double kTolerance = 1e-4;  // relative beyond 1

struct Canary {
  std::uint32_t user = rank::Batch::kNoUser;
  std::vector<RequestItem> history;
  std::vector<RequestItem> candidates;
};

/// Users evenly over all; candidates evenly over the items, from another one on for every canary.
Canary make_canary(const rank::RankerBundle& bundle, std::size_t index, std::size_t count) {
  Canary canary;
  if (bundle.users().size() > 0) {
    canary.user = static_cast<std::uint32_t>(index * bundle.users().size() / count);
    for (const std::uint32_t item : bundle.history(canary.user)) canary.history.push_back({item, {}});
  }
  const std::size_t items = bundle.items().size(), candidates = std::min(items, kCandidates);
  for (std::size_t c = 0; c < candidates; ++c) {
    canary.candidates.push_back({static_cast<std::uint32_t>((c * items / candidates + index) % items), {}});
  }
  return canary;
}

/// Returns whether the canary's logits differ from one another.
bool verify(ServedModel& model, const Canary& canary, std::size_t index) {
  const rank::ScoreRequest request{canary.user, canary.history, canary.candidates};
  std::vector<float> logits(canary.candidates.size());
  model.scorer().score(request, logits);
  const std::vector<float> expected = model.reference_logits(request);
  for (std::size_t c = 0; c < logits.size(); ++c) {
    const double difference = std::abs(static_cast<double>(logits[c]) - static_cast<double>(expected[c]));
    const double allowed = kTolerance * std::max(1.0, std::abs(static_cast<double>(expected[c])));
    if (std::isfinite(logits[c]) && difference <= allowed) continue;
    throw DataError(fmt::format(
        "{}: this model must not answer: canary {} (user row {}, item row {}) has the logit {}, by "
        "evaluation {}; train it again",
        model.folders().model.string(), index, canary.user, canary.candidates[c].row, logits[c], expected[c]));
  }
  return std::ranges::adjacent_find(logits, std::not_equal_to<>()) != logits.end();
}

}  // namespace

void verify_canaries(ServedModel& model, std::size_t count) {
  if (model.bundle().items().size() < 2) return;
  bool tells_apart = count == 0;
  for (std::size_t i = 0; i < count; ++i) {
    tells_apart = verify(model, make_canary(model.bundle(), i, count), i) || tells_apart;
  }
  if (!tells_apart) {
    throw DataError(fmt::format("{}: this model must not answer: it gives all items one score in each of {} requests",
                                model.folders().model.string(), count));
  }
}

}  // namespace neume::serve

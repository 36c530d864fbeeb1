#include "rank/request_scorer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <neume/error.hpp>

#include "rank/request_batches.hpp"
#include "rank/request_model.hpp"
#include "rank/request_sequence.hpp"
#include "rank/sequence_model.hpp"

namespace neume::rank {

namespace {

/// Throws InvalidArgument where the codes of an item are not those of one that may lack whole families.
void check_codes(std::span<const Code> codes, const ItemCodes& known, const std::string& what) {
  if (codes.size() != known.stride()) {
    throw InvalidArgument(fmt::format("{}: {} codes, expected {}: those of every family of the ranker, side by side",
                                      what, codes.size(), known.stride()));
  }
  for (const FamilyLayout& family : known.families()) {
    const auto of_family = codes.subspan(family.first_column, family.num_layers());
    const auto missing = std::ranges::count(of_family, kNoCode);
    if (missing == static_cast<std::ptrdiff_t>(of_family.size())) continue;
    for (std::size_t l = 0; l < of_family.size(); ++l) {
      if (of_family[l] >= family.codebook_sizes[l]) {
        throw InvalidArgument(
            fmt::format("{}: code {} of layer {} of {} is outside [0, {}); an item has codes in all "
                        "layers of a family or in none",
                        what, of_family[l], l + 1, family.name, family.codebook_sizes[l]));
      }
    }
  }
}

std::unique_ptr<RequestModel> make_model(RankerBundle& bundle) {
  auto* sequence = dynamic_cast<SequenceModel<float>*>(&bundle.network());
  if (sequence == nullptr) return std::make_unique<RequestBatches>(bundle);
  // qarm's codes come from a quantizer that was trained with it and is not kept: nobody can have them of a new item.
  const bool by_codes = !bundle.codes().families().empty() && bundle.options().model != RankerModel::qarm;
  return std::make_unique<RequestSequence>(*sequence, bundle.codes(), bundle.features(), by_codes);
}

}  // namespace

class RequestScorer::Impl {
 public:
  explicit Impl(RankerBundle& bundle) : bundle_(bundle), model_(make_model(bundle)) {}

  const RequestModel& model() const { return *model_; }

  void check(const ScoreRequest& request) const {
    for (std::size_t i = 0; i < request.history.size(); ++i) check_item(request.history[i], "history", i);
    for (std::size_t i = 0; i < request.candidates.size(); ++i) check_item(request.candidates[i], "candidate", i);
  }

 private:
  void check_item(const RequestItem& item, const char* what, std::size_t place) const {
    if (item.row < bundle_.items().size()) return;
    const auto named = [&] { return fmt::format("{} {}", what, place); };
    if (item.row != RequestItem::kNoRow) {
      throw InvalidArgument(fmt::format("{}: row {} is outside [0, {})", named(), item.row, bundle_.items().size()));
    }
    if (!model_->scores_new_items()) {
      throw InvalidArgument(
          fmt::format("{}: this model cannot score an item that training did not know: it reads no codes", named()));
    }
    check_codes(item.codes, bundle_.codes(), named());
  }

  RankerBundle& bundle_;
  std::unique_ptr<RequestModel> model_;
};

RequestScorer::RequestScorer(RankerBundle& bundle) : impl_(std::make_unique<Impl>(bundle)) {}
RequestScorer::~RequestScorer() = default;

bool RequestScorer::scores_new_items() const {
  return impl_->model().scores_new_items();
}

void RequestScorer::score(const ScoreRequest& request, std::span<float> logits) const {
  if (logits.size() != request.candidates.size()) {
    throw InvalidArgument(
        fmt::format("{} candidates, but room for {} logits", request.candidates.size(), logits.size()));
  }
  impl_->check(request);
  impl_->model().score(request, logits);
}

Explanation RequestScorer::explain(const ScoreRequest& request, std::size_t candidate, std::size_t top_history) const {
  if (candidate >= request.candidates.size()) {
    throw InvalidArgument(fmt::format("candidate {} of {}", candidate, request.candidates.size()));
  }
  impl_->check(request);
  Explanation explanation;
  float logit = 0.0f;
  ScoreRequest alone = request;
  alone.candidates = request.candidates.subspan(candidate, 1);
  impl_->model().score(alone, {&logit, 1});
  explanation.logit = static_cast<double>(logit);
  explanation.sources = impl_->model().source_contributions(request, candidate);
  const auto contributions = impl_->model().history_contributions(request, candidate);
  std::vector<std::size_t> order(contributions.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto heavier = [&](std::size_t a, std::size_t b) {
    const double of_a = std::abs(contributions[a]), of_b = std::abs(contributions[b]);
    return of_a != of_b ? of_a > of_b : a < b;
  };
  const std::size_t count = std::min(top_history, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), heavier);
  for (std::size_t i = 0; i < count; ++i) explanation.history.push_back({order[i], contributions[order[i]]});
  return explanation;
}

}  // namespace neume::rank

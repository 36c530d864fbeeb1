#include "rank/request_batches.hpp"

#include <algorithm>

#include "base/parallel.hpp"

namespace neume::rank {

namespace {

std::span<const RequestItem> last_items(const ScoreRequest& request, std::size_t limit) {
  return request.history.last(std::min(limit, request.history.size()));
}

}  // namespace

void RequestBatches::add_sample(std::uint32_t user, std::uint32_t item) const {
  const data::FeatureSet& features = bundle_.features();
  features.append_unknown_log(batch_.categories, batch_.numbers);
  features.append_item(item, batch_.categories, batch_.numbers);
  batch_.add(item, 0.0f, user);
}

void RequestBatches::score(const ScoreRequest& request, std::span<float> logits) const {
  const std::lock_guard lock(mutex_);
  const base::ThreadLimit one(1);
  Network<float>& network = bundle_.network();
  const auto history = last_items(request, bundle_.options().history);
  for (std::size_t begin = 0; begin < logits.size(); begin += network.max_batch()) {
    const std::size_t end = std::min(logits.size(), begin + network.max_batch());
    batch_.clear();
    for (std::size_t i = begin; i < end; ++i) {
      for (const RequestItem& item : history) batch_.history.push_back(item.row);
      add_sample(request.user, request.candidates[i].row);
    }
    network.score(batch_, logits.subspan(begin, end - begin));
  }
}

// Sample 0 has the whole history, sample 1 + j lacks its item j.
std::vector<double> RequestBatches::history_contributions(const ScoreRequest& request, std::size_t candidate) const {
  const std::lock_guard lock(mutex_);
  const base::ThreadLimit one(1);
  Network<float>& network = bundle_.network();
  const auto history = last_items(request, bundle_.options().history);
  std::vector<float> logits(history.size() + 1);
  for (std::size_t begin = 0; begin < logits.size(); begin += network.max_batch()) {
    const std::size_t end = std::min(logits.size(), begin + network.max_batch());
    batch_.clear();
    for (std::size_t s = begin; s < end; ++s) {
      for (std::size_t j = 0; j < history.size(); ++j) {
        if (j + 1 != s) batch_.history.push_back(history[j].row);
      }
      add_sample(request.user, request.candidates[candidate].row);
    }
    network.score(batch_, std::span(logits).subspan(begin, end - begin));
  }
  std::vector<double> contributions(request.history.size(), 0.0);
  const std::size_t first = request.history.size() - history.size();
  for (std::size_t j = 0; j < history.size(); ++j) {
    contributions[first + j] = static_cast<double>(logits[0]) - static_cast<double>(logits[1 + j]);
  }
  return contributions;
}

}  // namespace neume::rank

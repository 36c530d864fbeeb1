#include "rank/alignment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "kernels/matmul.hpp"
#include "rank/dot.hpp"
#include "rank/shuffled_order.hpp"

namespace neume::rank {

namespace {

constexpr std::uint64_t kNetworkStream = 201;  // streams of random numbers
constexpr std::uint64_t kPairStream = 202;
constexpr std::uint64_t kOrderStream = 203;

constexpr std::size_t kRowBlock = 64;      // rows a task
constexpr double kSmallestSquare = 1e-12;  // keeps the direction of a zero vector defined

std::size_t total_width(const Content& content) {
  if (content.empty()) throw InvalidArgument("qarm aligns content vectors: give --modality NAME=SOURCE");
  std::size_t width = 0;
  for (const ContentBlock& block : content.blocks) width += block.rows.cols();
  return width;
}

template <class T>
nn::Mlp<T> make_mlp(std::size_t inputs, const AlignmentOptions& options) {
  base::Random random(base::derive_seed(options.seed, kNetworkStream));
  return {"align", {inputs, {options.hidden}, options.width}, 2 * options.batch_size, random};
}

template <class Work>
void for_row_blocks(std::size_t rows, const Work& work) {
  base::parallel_for(base::num_chunks(rows, kRowBlock), [&](std::size_t block) {
    work(nn::RowRange{block * kRowBlock, std::min((block + 1) * kRowBlock, rows)});
  });
}

}  // namespace

template <class T>
AlignmentNetwork<T>::AlignmentNetwork(const Content& content, const AlignmentOptions& options)
    : content_(content),
      options_(options),
      inputs_(total_width(content)),
      x_(max_items() * inputs_),
      z_(max_items() * options.width),
      norms_(max_items()),
      gradients_(max_items() * options.width),
      scores_(options.batch_size * options.batch_size),
      losses_(options.batch_size),
      mlp_(make_mlp<T>(inputs_, options)) {}

template <class T>
void AlignmentNetwork<T>::gather(nn::RowRange rows, std::span<const std::uint32_t> items) {
  for (std::size_t r = rows.begin; r < rows.end; ++r) {
    T* out = x_.data() + r * inputs_;
    for (const ContentBlock& block : content_.blocks) {
      // The rows of a block have a mean squared norm of 1; a network learns faster from entries of that size.
      const T scale = std::sqrt(static_cast<T>(block.rows.cols()));
      for (const float value : block.rows.row(items[r])) *out++ = scale * static_cast<T>(value);
    }
  }
}

template <class T>
void AlignmentNetwork<T>::normalise(nn::RowRange rows) {
  for (std::size_t r = rows.begin; r < rows.end; ++r) {
    T* y = z_.data() + r * width();
    norms_[r] = std::sqrt(dot(y, y, width()) + static_cast<T>(kSmallestSquare));
    for (std::size_t c = 0; c < width(); ++c) y[c] /= norms_[r];
  }
}

template <class T>
void AlignmentNetwork<T>::forward(std::span<const std::uint32_t> items) {
  for_row_blocks(items.size(), [&](nn::RowRange rows) {
    gather(rows, items);
    mlp_.forward(rows, {x_.data(), inputs_}, {z_.data(), width()});
    normalise(rows);
  });
}

/// Rows `anchors` of the scores, their losses, and the gradients of the anchors' z.
template <class T>
void AlignmentNetwork<T>::contrast(nn::RowRange anchors, std::span<const ItemPair> pairs) {
  const std::size_t n = pairs.size();
  const T* z_a = z_.data() + anchors.begin * width();
  const T* z_b = z_.data() + n * width();
  T* block = scores_.data() + anchors.begin * n;
  kernels::matmul({anchors.size(), n, width()}, {z_a, width()}, {z_b, width(), true}, kernels::Product<T>{block, n});
  const T sharpness = static_cast<T>(1.0 / options_.temperature);
  for (std::size_t i = anchors.begin; i < anchors.end; ++i) {
    T* row = scores_.data() + i * n;
    const auto [anchor, positive] = pairs[i];
    for (std::size_t j = 0; j < n; ++j) {
      const bool is_other = j != i && (pairs[j].positive == anchor || pairs[j].positive == positive);
      row[j] = is_other ? -std::numeric_limits<T>::infinity() : sharpness * row[j];
    }
    const T own = row[i], largest = *std::max_element(row, row + n);
    T sum = 0;
    for (std::size_t j = 0; j < n; ++j) sum += row[j] = std::exp(row[j] - largest);
    losses_[i] = static_cast<double>(std::log(sum) + largest - own);
    for (std::size_t j = 0; j < n; ++j) row[j] /= sum;
    row[i] -= 1;
    for (std::size_t j = 0; j < n; ++j) row[j] *= sharpness / static_cast<T>(n);
  }
  kernels::matmul({anchors.size(), width(), n}, {block, n}, {z_b, width()},
                  kernels::Product<T>{gradients_.data() + anchors.begin * width(), width()});
}

/// From d loss / d z to d loss / d y, y = |y| z, and through the network.
template <class T>
void AlignmentNetwork<T>::backward(nn::RowRange rows) {
  for (std::size_t r = rows.begin; r < rows.end; ++r) {
    T* gradient = gradients_.data() + r * width();
    const T* z = z_.data() + r * width();
    const T along = dot(gradient, z, width());
    for (std::size_t c = 0; c < width(); ++c) gradient[c] = (gradient[c] - along * z[c]) / norms_[r];
  }
  mlp_.backward(rows, {gradients_.data(), width()}, {});
}

template <class T>
double AlignmentNetwork<T>::train(std::span<const ItemPair> pairs, const kernels::AdamStep<T>* step) {
  const std::size_t n = pairs.size();
  if (n > options_.batch_size) throw InternalError(fmt::format("{} pairs exceed a batch of alignment", n));
  items_.clear();
  for (const ItemPair& pair : pairs) items_.push_back(pair.anchor);
  for (const ItemPair& pair : pairs) items_.push_back(pair.positive);
  forward(items_);
  for_row_blocks(n, [&](nn::RowRange anchors) { contrast(anchors, pairs); });
  for_row_blocks(n, [&](nn::RowRange positives) {
    kernels::matmul({positives.size(), width(), n}, {scores_.data() + positives.begin, n, true}, {z_.data(), width()},
                    kernels::Product<T>{gradients_.data() + (n + positives.begin) * width(), width()});
  });
  for_row_blocks(2 * n, [&](nn::RowRange rows) { backward(rows); });
  base::parallel_for(mlp_.num_tiles(), [&](std::size_t tile) {
    mlp_.weight_gradients(tile, 2 * n, {x_.data(), inputs_}, {gradients_.data(), width()});
    if (step != nullptr) mlp_.update(tile, *step);
  });
  return std::accumulate(losses_.begin(), losses_.begin() + static_cast<std::ptrdiff_t>(n), 0.0);
}

template <class T>
void AlignmentNetwork<T>::embed(std::span<const std::uint32_t> items, std::span<T> rows) {
  if (items.size() > max_items()) throw InternalError(fmt::format("{} items exceed a batch", items.size()));
  forward(items);
  std::copy_n(z_.data(), items.size() * width(), rows.data());
}

template <class T>
std::vector<nn::ParameterView<T>> AlignmentNetwork<T>::parameters() {
  std::vector<nn::ParameterView<T>> views;
  mlp_.collect(views);
  return views;
}

template class AlignmentNetwork<float>;
template class AlignmentNetwork<double>;

namespace {

std::vector<std::uint8_t> items_with_content(const Content& content) {
  std::vector<std::uint8_t> present = content.blocks.at(0).present;
  for (const ContentBlock& block : content.blocks) {
    for (std::size_t i = 0; i < present.size(); ++i) present[i] |= block.present[i];
  }
  return present;
}

/// The pair that a row of the log stands for in an epoch. Stateless: the draw is a hash of seed, epoch and row.
class PairSource {
 public:
  PairSource(const data::Interactions& log, const data::Histories& histories, std::span<const std::uint8_t> present,
             std::uint64_t seed)
      : log_(log), histories_(histories), present_(present), seed_(base::derive_seed(seed, kPairStream)) {}

  /// Nothing for a row that is no positive, whose item has no content, or whose user has no other such item.
  std::optional<ItemPair> pair(std::size_t row, std::uint64_t epoch) const {
    const std::uint32_t anchor = log_.items[row];
    const bool is_positive = !log_.has_labels() || log_.labels[row] != 0;
    if (!is_positive || present_[anchor] == 0) return std::nullopt;
    const auto liked = histories_.positives(log_.users[row]);
    const auto fits = [&](std::uint32_t item) { return item != anchor && present_[item] != 0; };
    base::Random random(base::derive_seed(base::derive_seed(seed_, epoch), row));
    constexpr int kTries = 8;
    std::size_t place = 0;
    for (int i = 0; i < kTries; ++i) {
      place = random.index(liked.size());
      if (fits(liked[place])) return ItemPair{anchor, liked[place]};
    }
    // A user with few such items: the next one in a circle.
    for (std::size_t step = 1; step <= liked.size(); ++step) {
      const std::uint32_t next = liked[(place + step) % liked.size()];
      if (fits(next)) return ItemPair{anchor, next};
    }
    return std::nullopt;
  }

 private:
  const data::Interactions& log_;
  const data::Histories& histories_;
  std::span<const std::uint8_t> present_;
  std::uint64_t seed_;
};

/// The passes over a log's pairs.
class Alignment {
 public:
  Alignment(AlignmentNetwork<float>& network, const PairSource& source, std::size_t num_rows,
            const AlignmentOptions& options, const ProgressFn& progress)
      : network_(network), source_(source), num_rows_(num_rows), options_(options), progress_(progress) {}

  /// Mean loss of an epoch's pairs.
  double run_epoch(std::size_t epoch) {
    const std::uint64_t seed = base::derive_seed(base::derive_seed(options_.seed, kOrderStream), epoch);
    ShuffledOrder order(num_rows_, options_.shuffle_rows, seed);
    num_pairs_ = 0;
    loss_sum_ = 0.0;
    pairs_.clear();
    for (std::uint64_t place = 0; place < order.size(); ++place) {
      if (const auto pair = source_.pair(order[place], epoch)) pairs_.push_back(*pair);
      if (pairs_.size() == options_.batch_size) learn(epoch, place + 1);
    }
    learn(epoch, order.size());
    return loss_sum_ / static_cast<double>(std::max<std::size_t>(1, num_pairs_));
  }

  std::size_t num_pairs() const { return num_pairs_; }

 private:
  void learn(std::size_t epoch, std::uint64_t num_done) {
    if (pairs_.empty()) return;
    const auto adam = nn::adam_step<float>({options_.learning_rate}, ++num_steps_);
    loss_sum_ += network_.train(pairs_, &adam);
    num_pairs_ += pairs_.size();
    pairs_.clear();
    if (!progress_) return;
    progress_({fmt::format("align, epoch {} of {}", epoch, options_.epochs), static_cast<std::int64_t>(num_done),
               static_cast<std::int64_t>(num_rows_), "rows",
               fmt::format("loss {:.4f}", loss_sum_ / static_cast<double>(num_pairs_))});
  }

  AlignmentNetwork<float>& network_;
  const PairSource& source_;
  std::size_t num_rows_;
  const AlignmentOptions& options_;
  const ProgressFn& progress_;
  std::vector<ItemPair> pairs_;
  std::size_t num_steps_ = 0;
  std::size_t num_pairs_ = 0;
  double loss_sum_ = 0.0;
};

/// z of all items that have content, on the items' rows.
Matrix embed_items(AlignmentNetwork<float>& network, std::span<const std::uint8_t> present) {
  std::vector<std::uint32_t> items;
  for (std::size_t i = 0; i < present.size(); ++i) {
    if (present[i] != 0) items.push_back(static_cast<std::uint32_t>(i));
  }
  Matrix rows(present.size(), network.width());
  std::vector<float> batch(network.max_items() * network.width());
  for (std::size_t begin = 0; begin < items.size(); begin += network.max_items()) {
    const auto some = std::span(items).subspan(begin, std::min(network.max_items(), items.size() - begin));
    network.embed(some, batch);
    for (std::size_t i = 0; i < some.size(); ++i) {
      std::copy_n(batch.data() + i * network.width(), network.width(), rows.row(some[i]).begin());
    }
  }
  return rows;
}

}  // namespace

AlignedItems align_items(const Content& content, const data::Interactions& log, const data::Histories& histories,
                         const AlignmentOptions& options, const ProgressFn& progress) {
  AlignmentNetwork<float> network(content, options);
  AlignedItems aligned;
  aligned.present = items_with_content(content);
  const PairSource source(log, histories, aligned.present, options.seed);
  Alignment alignment(network, source, log.size(), options, progress);
  for (std::size_t epoch = 1; epoch <= options.epochs; ++epoch) {
    aligned.losses.push_back(alignment.run_epoch(epoch));
    if (alignment.num_pairs() == 0) {
      throw DataError(
          "no user of the training log has two positives with content vectors, so there is nothing to align by; check "
          "the log, and that --modality names the content of the same items");
    }
  }
  aligned.num_pairs = alignment.num_pairs();
  aligned.rows = embed_items(network, aligned.present);
  return aligned;
}

}  // namespace neume::rank

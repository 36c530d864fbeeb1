#include "quantize/collisions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <neume/error.hpp>

namespace neume::quantize {

namespace {

constexpr std::size_t kFirstBeam = 16;
constexpr std::size_t kLastBeam = 1024;
constexpr std::size_t kNumbersAtOnce = std::size_t{1} << 25;  // of the rows and candidates of a search

/// An ID as a key.
std::string key_of(std::span<const Code> codes) {
  return {reinterpret_cast<const char*>(codes.data()), codes.size_bytes()};
}

/// Who holds an ID that was free, and at what distance.
struct Holding {
  std::size_t seeker;
  double cost;
};

/// An item that looks for a free ID.
struct Seeker {
  std::uint32_t item = 0;
  std::size_t next = 0;  ///< first candidate that it has not asked for
  std::vector<Code> candidates;
  std::vector<double> costs;
};

class Reassigner {
 public:
  Reassigner(const data::Catalogue& catalogue, const Quantizer& quantizer, const CodeFamily& family,
             const CodeFamily& held)
      : catalogue_(catalogue), quantizer_(quantizer), layers_(family.num_layers()) {
    result_.family = family;
    for (std::size_t item = 0; item < held.num_items(); ++item)
      if (held.has(item)) owned_.insert(key_of(held.of(item)));
  }

  Reassignment run() {
    find_seekers();
    std::vector<std::size_t> waiting(seekers_.size());
    for (std::size_t s = 0; s < waiting.size(); ++s) waiting[s] = s;
    for (std::size_t beam = kFirstBeam; !waiting.empty() && beam <= kLastBeam; beam *= 4) {
      ++result_.rounds;
      waiting = place(waiting, beam);
    }
    for (const std::size_t s : waiting) take_any(s);
    result_.moved = seekers_.size();
    for (const auto& [key, holding] : taken_) write(seekers_[holding.seeker].item, key);
    return std::move(result_);
  }

 private:
  /// Owners keep their IDs; everybody else in a shared ID, and all whose ID is held, become seekers.
  void find_seekers() {
    std::unordered_map<std::string, std::vector<std::uint32_t>> groups;
    for (std::uint32_t item = 0; item < result_.family.num_items(); ++item)
      if (result_.family.has(item)) groups[key_of(result_.family.of(item))].push_back(item);
    std::vector<std::uint32_t> shared;
    for (const auto& [key, items] : groups)
      if (items.size() > 1 || owned_.contains(key)) shared.insert(shared.end(), items.begin(), items.end());
    std::sort(shared.begin(), shared.end());
    const std::vector<double> errors = errors_of(shared);
    std::unordered_map<std::string, std::size_t> owner;  // position in `shared`
    for (std::size_t i = 0; i < shared.size(); ++i) {
      const auto [place, is_new] = owner.try_emplace(key_of(result_.family.of(shared[i])), i);
      if (!is_new && errors[i] < errors[place->second]) place->second = i;
    }
    for (std::size_t i = 0; i < shared.size(); ++i) {
      const std::string key = key_of(result_.family.of(shared[i]));
      if (owned_.contains(key) || owner.at(key) != i) seekers_.push_back({shared[i], 0, {}, {}});
    }
    for (const auto& [key, items] : groups) owned_.insert(key);
  }

  /// Squared distance of each item's row to what its ID stands for.
  std::vector<double> errors_of(const std::vector<std::uint32_t>& items) const {
    std::vector<double> errors;
    const std::size_t at_once = std::max<std::size_t>(1, kNumbersAtOnce / quantizer_.width());
    for (std::size_t begin = 0; begin < items.size(); begin += at_once) {
      const auto part = std::span(items).subspan(begin, std::min(at_once, items.size() - begin));
      const Matrix rows = catalogue_.gather(quantizer_.shape().block_names, part);
      Matrix mapped(rows.rows(), rows.cols()), near(rows.rows(), rows.cols());
      quantizer_.map(rows.view(), mapped.view());
      std::vector<Code> codes;
      for (const std::uint32_t item : part)
        codes.insert(codes.end(), result_.family.of(item).begin(), result_.family.of(item).end());
      quantizer_.decode(codes, near.view());
      for (std::size_t i = 0; i < part.size(); ++i) errors.push_back(mapped_distance(mapped.row(i), near.row(i)));
    }
    return errors;
  }

  /// Squared distance of a mapped row to a decoded one.
  double mapped_distance(std::span<const float> mapped, std::span<const float> decoded) const {
    double sum = 0.0;
    for (std::size_t j = 0; j < mapped.size(); ++j) {
      const double y = (double{decoded[j]} - quantizer_.mean()[j]) * quantizer_.scale()[j];
      sum += (mapped[j] - y) * (mapped[j] - y);
    }
    return sum;
  }

  /// Searches and asks for the waiting seekers, some at a time; returns those that still hold no ID.
  std::vector<std::size_t> place(const std::vector<std::size_t>& waiting, std::size_t beam) {
    const std::size_t at_once = std::max<std::size_t>(1, kNumbersAtOnce / (quantizer_.width() + beam * (layers_ + 4)));
    std::vector<std::size_t> without;
    for (std::size_t begin = 0; begin < waiting.size(); begin += at_once) {
      const auto part = std::span(waiting).subspan(begin, std::min(at_once, waiting.size() - begin));
      search(part, beam);
      propose(part, without);
      // A seeker that loses its ID later, without candidates, waits for the next and wider search.
      for (const std::size_t s : part) seekers_[s].candidates.clear();
      for (const std::size_t s : part) seekers_[s].costs.clear();
    }
    std::sort(without.begin(), without.end());
    return without;
  }

  /// Finds the `beam` best IDs of some seekers.
  void search(std::span<const std::size_t> part, std::size_t beam) {
    std::vector<std::uint32_t> items;
    for (const std::size_t s : part) items.push_back(seekers_[s].item);
    const Matrix rows = catalogue_.gather(quantizer_.shape().block_names, items);
    std::vector<Code> codes(part.size() * beam * layers_);
    std::vector<double> costs(part.size() * beam);
    quantizer_.search(rows.view(), beam, codes, costs);
    for (std::size_t i = 0; i < part.size(); ++i) {
      Seeker& seeker = seekers_[part[i]];
      const auto first = static_cast<std::ptrdiff_t>(i * beam), width = static_cast<std::ptrdiff_t>(layers_);
      const auto last = first + static_cast<std::ptrdiff_t>(beam);
      seeker.candidates.assign(codes.begin() + first * width, codes.begin() + last * width);
      seeker.costs.assign(costs.begin() + first, costs.begin() + last);
      seeker.next = 0;
    }
  }

  /// Lets seekers ask until each holds an ID or has no candidate left; adds those that hold none to `without`.
  void propose(std::span<const std::size_t> part, std::vector<std::size_t>& without) {
    std::vector<std::size_t> asking(part.rbegin(), part.rend());
    while (!asking.empty()) {
      const std::size_t s = asking.back();
      asking.pop_back();
      const std::size_t displaced = ask(s);
      if (displaced == kNobody) {
        without.push_back(s);
      } else if (displaced != s) {
        asking.push_back(displaced);
      }
    }
  }

  static constexpr std::size_t kNobody = std::numeric_limits<std::size_t>::max();

  /// Takes the first candidate that is free or held by a seeker further away. Returns the seeker that lost it, `s`
  /// itself where it was free, kNobody where `s` got none.
  std::size_t ask(std::size_t s) {
    Seeker& seeker = seekers_[s];
    for (; seeker.next < seeker.costs.size(); ++seeker.next) {
      const std::span<const Code> codes(seeker.candidates.data() + seeker.next * layers_, layers_);
      if (codes[0] == kNoCode) break;
      std::string key = key_of(codes);
      if (owned_.contains(key)) continue;
      const double cost = seeker.costs[seeker.next];
      const auto [place, is_free] = taken_.try_emplace(std::move(key), Holding{s, cost});
      if (is_free) return s;
      Holding& holding = place->second;
      const bool is_nearer = cost < holding.cost;
      if (!is_nearer && (cost > holding.cost || seekers_[holding.seeker].item < seeker.item)) continue;
      const std::size_t displaced = holding.seeker;
      holding = {s, cost};
      return displaced;
    }
    return kNobody;
  }

  /// The next free ID after the seeker's own, counting up from the last code.
  void take_any(std::size_t s) {
    const auto own = result_.family.of(seekers_[s].item);
    std::vector<Code> codes(own.begin(), own.end());
    const std::vector<std::size_t>& sizes = result_.family.codebook_sizes;
    do {
      for (std::size_t l = layers_; l > 0; --l) {
        codes[l - 1] = static_cast<Code>((codes[l - 1] + 1u) % sizes[l - 1]);
        if (codes[l - 1] != 0) break;
      }
    } while (owned_.contains(key_of(codes)) || !taken_.try_emplace(key_of(codes), Holding{s, 0.0}).second);
  }

  void write(std::uint32_t item, const std::string& key) {
    Code* codes = result_.family.codes.data() + item * layers_;
    const auto* fresh = reinterpret_cast<const char*>(codes);
    if (std::equal(key.begin(), key.end() - static_cast<std::ptrdiff_t>(sizeof(Code)), fresh)) ++result_.moved_in_layer;
    std::copy(key.begin(), key.end(), reinterpret_cast<char*>(codes));
  }

  const data::Catalogue& catalogue_;
  const Quantizer& quantizer_;
  std::size_t layers_;
  Reassignment result_;
  std::vector<Seeker> seekers_;
  std::unordered_set<std::string> owned_;           // IDs in use before
  std::unordered_map<std::string, Holding> taken_;  // free ones that were given away
};

}  // namespace

CodeFamily with_suffix(const CodeFamily& family) {
  const std::size_t layers = family.num_layers();
  CodeFamily longer{family.name, family.codebook_sizes, {}};
  longer.codes.reserve(family.num_items() * (layers + 1));
  std::unordered_map<std::string, std::size_t> count;
  std::size_t largest = 1;
  for (std::size_t item = 0; item < family.num_items(); ++item) {
    const auto codes = family.of(item);
    longer.codes.insert(longer.codes.end(), codes.begin(), codes.end());
    std::size_t place = kNoCode;
    if (family.has(item)) {
      place = count[key_of(codes)]++;
      largest = std::max(largest, place + 1);
      if (place >= kNoCode)
        throw DataError(
            fmt::format("family {}: more than {} items share one ID; use more codes or layers", family.name, kNoCode));
    }
    longer.codes.push_back(static_cast<Code>(place));
  }
  longer.codebook_sizes.push_back(largest);
  return longer;
}

Reassignment reassign(const data::Catalogue& catalogue, const Quantizer& quantizer, const CodeFamily& family,
                      const CodeFamily& held) {
  double possible = 1.0;
  std::size_t items = 0;
  for (const std::size_t size : family.codebook_sizes) possible *= static_cast<double>(size);
  for (std::size_t item = 0; item < family.num_items(); ++item) items += family.has(item) ? 1 : 0;
  for (std::size_t item = 0; item < held.num_items(); ++item) items += held.has(item) ? 1 : 0;
  if (static_cast<double>(items) > possible)
    throw InvalidArgument(
        fmt::format("family {}: {} items cannot have IDs of their own: there are only {:.0f}; use "
                    "more codes or layers, or --resolve suffix",
                    family.name, items, possible));
  return Reassigner(catalogue, quantizer, family, held).run();
}

}  // namespace neume::quantize

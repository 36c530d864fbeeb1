#include "serve/models.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <fstream>
#include <mutex>
#include <thread>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "serve/canaries.hpp"

namespace neume::serve {

namespace {

constexpr std::size_t kItemsAtOnce = 256;              // of the store, while others that add an item wait
constexpr std::chrono::milliseconds kBetweenPages{1};  // in which these get the mutex, which is not fair

using Model = std::shared_ptr<ServedModel>;

bool is_name(std::string_view text) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
  return !text.empty() && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool is_share(double share) {
  return std::isfinite(share) && share > 0.0;
}

/// Runs the recorded requests through a model. Throws DataError with the line of the first that it cannot answer.
void answer_recorded(ServedModel& model, const ReadinessOptions& options) {
  if (options.recorded.empty()) return;
  if (!options.answer) throw InternalError("recorded requests, but nothing that answers them");
  std::ifstream lines(options.recorded);
  if (!lines) throw DataError(fmt::format("{}: cannot be read", options.recorded.string()));
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      options.answer(model, line);
    } catch (const Error& error) {
      throw DataError(fmt::format("{}:{}: {} cannot answer this request: {}", options.recorded.string(), number,
                                  model.folders().model.string(), error.what()));
    }
  }
}

Model load_ready(const ModelFolders& folders, const ReadinessOptions& options) {
  Model model = ServedModel::load(folders);
  verify_canaries(*model, options.canaries);
  answer_recorded(*model, options);
  return model;
}

void check_variants(const std::vector<Variant>& variants) {
  if (variants.empty()) throw InvalidArgument("expected at least one variant, found none");
  for (std::size_t i = 0; i < variants.size(); ++i) {
    if (!is_share(variants[i].share)) {
      throw InvalidArgument(
          fmt::format("variant {}: expected a positive share, found {}", variants[i].name, variants[i].share));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (variants[j].name == variants[i].name) {
        throw InvalidArgument(fmt::format("two variants are called {}", variants[i].name));
      }
    }
  }
}

}  // namespace

double user_place(std::string_view experiment, std::string_view user_id) {
  std::string key(experiment);
  key.push_back('\0');
  key += user_id;
  return static_cast<double>(base::hash64(std::as_bytes(std::span(key))) >> 11) * 0x1.0p-53;
}

Variant Variant::parse(const std::string& text) {
  const std::size_t equals = text.find('='), colon = text.rfind(':');
  const bool has_parts = equals != std::string::npos && colon != std::string::npos && equals < colon;
  const std::string share = has_parts ? text.substr(colon + 1) : "";
  Variant variant;
  const auto [end, error] = std::from_chars(share.data(), share.data() + share.size(), variant.share);
  const bool has_share = error == std::errc() && end == share.data() + share.size() && is_share(variant.share);
  if (!has_parts || !has_share || !is_name(text.substr(0, equals)) || colon == equals + 1) {
    throw InvalidArgument(fmt::format(
        "expected a variant NAME=DIR:SHARE or NAME=DIR,CODEBOOKS:SHARE with a positive share (b=runs/b:0.5) "
        "and a name of letters, digits, '_', '-' and '.', found {}",
        text));
  }
  variant.name = text.substr(0, equals);
  const std::string folders = text.substr(equals + 1, colon - equals - 1);
  const std::size_t comma = folders.rfind(',');
  variant.folders.model = folders.substr(0, comma);
  if (comma != std::string::npos) variant.folders.codebooks = folders.substr(comma + 1);
  return variant;
}

class Models::Impl {
 public:
  Impl(const std::vector<Variant>& variants, ReadinessOptions options, store::Store& store)
      : options_(std::move(options)), store_(store) {
    check_variants(variants);
    for (const Variant& variant : variants) {
      entries_.push_back({variant.name, variant.share, load_ready(variant.folders, options_), nullptr});
      total_share_ += variant.share;
    }
  }

  Chosen choose(std::string_view user_id) const {
    const Entry& entry = entries_[index_of_user(user_id)];
    const std::lock_guard lock(mutex_);
    return {entry.present, entry.name};
  }

  std::string swap(const std::string& variant, const ModelFolders& folders);
  std::string restore(const std::string& variant);
  std::vector<Status> status() const;
  std::vector<std::string> add_item(const store::StoredItem& item);

 private:
  struct Entry {
    std::string name;
    double share;
    Model present;  // this and the next by mutex_
    Model previous;
  };

  std::size_t index_of_user(std::string_view user_id) const {
    if (user_id.empty()) return 0;
    const double place = user_place(options_.experiment, user_id) * total_share_;
    double end = 0.0;
    for (std::size_t i = 0; i + 1 < entries_.size(); ++i) {
      end += entries_[i].share;
      if (place < end) return i;
    }
    return entries_.size() - 1;
  }

  Entry& entry(const std::string& variant) {
    const auto found = std::ranges::find(entries_, variant, &Entry::name);
    if (found != entries_.end()) return *found;
    std::vector<std::string> names;
    for (const Entry& known : entries_) names.push_back(known.name);
    throw InvalidArgument(fmt::format("there is no variant {}; known: {}", variant, fmt::join(names, ", ")));
  }

  void fill(ServedModel& model);

  ReadinessOptions options_;
  store::Store& store_;
  double total_share_ = 0.0;
  mutable std::mutex mutex_;  // held for a copy of a few pointers, never while a model is loaded or asked
  std::vector<Entry> entries_;
  std::atomic<bool> swapping_ = false;
  std::mutex items_mutex_;  // items reach models in the order in which they reach the store
  Model incoming_;          // by items_mutex_: what a swap loads, once it is ready for items
};

/// Gives `model` every item of the store. Pages are read under the mutex that add_item takes, so that an item that is
/// put again meanwhile does not get its older value back.
void Models::Impl::fill(ServedModel& model) {
  std::uint64_t cursor = 0;
  for (;; std::this_thread::sleep_for(kBetweenPages)) {
    const std::lock_guard lock(items_mutex_);
    const store::ItemPage page = store_.items_since(cursor, kItemsAtOnce);
    if (page.items.empty()) return;
    cursor = page.cursor;
    for (const store::StoredItem& item : page.items) {
      try {
        model.add_item(item);
      } catch (const InvalidArgument&) {
        // The model goes without it, as add_item says.
      }
    }
  }
}

std::string Models::Impl::swap(const std::string& variant, const ModelFolders& folders) {
  Entry& target = entry(variant);
  if (swapping_.exchange(true)) throw InvalidArgument("another model is being loaded; try again when it is ready");
  struct Ended {
    Impl& impl;
    ~Ended() {
      const std::lock_guard lock(impl.items_mutex_);
      impl.incoming_ = nullptr;
      impl.swapping_ = false;
    }
  } ended{*this};
  const Model model = load_ready(folders, options_);
  {
    const std::lock_guard lock(items_mutex_);
    incoming_ = model;
  }
  fill(*model);
  Model freed;  // when no lock is held: it may take long
  const std::lock_guard items_lock(items_mutex_);
  const std::lock_guard lock(mutex_);
  freed = std::exchange(target.previous, std::exchange(target.present, model));
  return model->version();
}

std::string Models::Impl::restore(const std::string& variant) {
  Entry& target = entry(variant);
  const std::lock_guard lock(mutex_);
  if (target.previous == nullptr) {
    throw InvalidArgument(fmt::format("variant {} has no model before the present one", variant));
  }
  std::swap(target.present, target.previous);
  return target.present->version();
}

std::vector<Models::Status> Models::Impl::status() const {
  std::vector<Status> all;
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    all.push_back({entry.name, entry.share / total_share_, entry.present->version(),
                   entry.previous == nullptr ? "" : entry.previous->version(), entry.present->folders().model});
  }
  return all;
}

std::vector<std::string> Models::Impl::add_item(const store::StoredItem& item) {
  const std::lock_guard items_lock(items_mutex_);
  const auto takes = [&](const Model& model) {
    if (model == nullptr) return true;
    try {
      model->add_item(item);
      return true;
    } catch (const InvalidArgument&) {
      return false;
    }
  };
  takes(incoming_);
  std::vector<Entry> entries;
  {
    const std::lock_guard lock(mutex_);
    entries = entries_;
  }
  std::vector<std::string> without;
  for (const Entry& entry : entries) {
    takes(entry.previous);
    if (!takes(entry.present)) without.push_back(entry.name);
  }
  return without;
}

Models::Models(const std::vector<Variant>& variants, ReadinessOptions options, store::Store& store)
    : impl_(std::make_unique<Impl>(variants, std::move(options), store)) {}
Models::~Models() = default;

Models::Chosen Models::choose(std::string_view user_id) const {
  return impl_->choose(user_id);
}

std::string Models::swap(const std::string& variant, const ModelFolders& folders) {
  return impl_->swap(variant, folders);
}

std::string Models::restore(const std::string& variant) {
  return impl_->restore(variant);
}

std::vector<Models::Status> Models::status() const {
  return impl_->status();
}

std::vector<std::string> Models::add_item(const store::StoredItem& item) {
  return impl_->add_item(item);
}

}  // namespace neume::serve

#include "serve/exposure_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <span>
#include <thread>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "base/parallel.hpp"
#include "data/table_writer.hpp"

namespace neume::serve {

namespace {

using Clock = std::chrono::steady_clock;
using data::ColumnData;
using data::ColumnSpec;
using data::ColumnType;

constexpr std::chrono::seconds kRetryAfter{10};  // after a file that could not be written
constexpr const char* kFormatVersion = "1";

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "host";
  std::string text(name.data());
  std::ranges::replace_if(
      text, [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '.'; }, '_');
  return text;
}

/// The columns of a kind of rows: its names, and their values for some rows at a time.
template <class Row>
struct Columns;

template <>
struct Columns<Exposure> {
  static constexpr const char* kKind = "exposures";
  static std::vector<ColumnSpec> specs() {
    return {{"time_ms", ColumnType::int64},     {"request_id", ColumnType::text},    {"experiment", ColumnType::text},
            {"variant", ColumnType::text},      {"model_version", ColumnType::text}, {"user_id", ColumnType::text},
            {"item_ids", ColumnType::text_list}};
  }
  static std::size_t size_bytes(const Exposure& row) {
    std::size_t size = sizeof(Exposure) + row.request_id.size() + row.experiment.size() + row.variant.size() +
                       row.model_version.size() + row.user_id.size();
    for (const std::string& item : row.item_ids) size += sizeof(std::string) + item.size();
    return size;
  }
  std::vector<ColumnData> of(std::span<const Exposure> rows) {
    *this = {};
    for (const Exposure& row : rows) {
      times.push_back(row.time_ms);
      const std::array<const std::string*, 5> cells{&row.request_id, &row.experiment, &row.variant, &row.model_version,
                                                    &row.user_id};
      for (std::size_t c = 0; c < cells.size(); ++c) texts[c].push_back(*cells[c]);
      items.push_back(row.item_ids);
    }
    std::vector<ColumnData> columns{ColumnData(std::span<const std::int64_t>(times))};
    for (const auto& column : texts) columns.emplace_back(std::span<const std::string>(column));
    columns.emplace_back(std::span<const std::vector<std::string>>(items));
    return columns;
  }

  std::vector<std::int64_t> times = {};
  std::array<std::vector<std::string>, 5> texts = {};
  std::vector<std::vector<std::string>> items = {};
};

template <>
struct Columns<ReceivedEvent> {
  static constexpr const char* kKind = "events";
  static std::vector<ColumnSpec> specs() {
    return {{"time_ms", ColumnType::int64}, {"event_id", ColumnType::text},   {"user_id", ColumnType::text},
            {"item_id", ColumnType::text},  {"timestamp", ColumnType::int64}, {"label", ColumnType::boolean}};
  }
  static std::size_t size_bytes(const ReceivedEvent& row) {
    return sizeof(ReceivedEvent) + row.event_id.size() + row.user_id.size() + row.item_id.size();
  }
  std::vector<ColumnData> of(std::span<const ReceivedEvent> rows) {
    *this = {};
    for (const ReceivedEvent& row : rows) {
      times.push_back(row.time_ms);
      const std::array<const std::string*, 3> cells{&row.event_id, &row.user_id, &row.item_id};
      for (std::size_t c = 0; c < cells.size(); ++c) texts[c].push_back(*cells[c]);
      timestamps.push_back(row.timestamp);
      labels.push_back(row.label ? 1 : 0);
    }
    std::vector<ColumnData> columns{ColumnData(std::span<const std::int64_t>(times))};
    for (const auto& column : texts) columns.emplace_back(std::span<const std::string>(column));
    columns.emplace_back(std::span<const std::int64_t>(timestamps));
    columns.emplace_back(std::span<const std::uint8_t>(labels));
    return columns;
  }

  std::vector<std::int64_t> times = {};
  std::array<std::vector<std::string>, 3> texts = {};
  std::vector<std::int64_t> timestamps = {};
  std::vector<std::uint8_t> labels = {};
};

}  // namespace

template <class Row>
class RotatingLog<Row>::Impl {
 public:
  explicit Impl(const RotatingLogOptions& options) : options_(options), host_(host_name()) {
    // An early error for a folder that cannot be written, not one in five minutes.
    const std::filesystem::path probe = options_.folder / fmt::format(".probe-{}", getpid());
    base::write_file(probe, "");
    std::filesystem::remove(probe);
    writer_ = std::thread([this] { run(); });
  }
  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_one();
    writer_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void record(Row row) {
    const std::size_t size = Columns<Row>::size_bytes(row);
    {
      const std::lock_guard lock(mutex_);
      if (recorded_ - written_ >= options_.rows_in_memory || held_bytes_ + size > options_.bytes_in_memory) {
        ++dropped_;
        return;
      }
      if (waiting_.empty()) oldest_ = Clock::now();
      waiting_.push_back(std::move(row));
      ++recorded_;
      held_bytes_ += size;
      if (waiting_.size() > 1 && waiting_.size() < options_.rows_a_file) return;
    }
    work_.notify_one();
  }

  void flush() {
    std::unique_lock lock(mutex_);
    const std::size_t failures = failures_, target = recorded_;
    ++flushing_;
    work_.notify_one();
    done_.wait(lock, [&] { return written_ >= target || failures_ != failures; });
    --flushing_;
    if (failures_ != failures) throw DataError(problem_);
  }

  std::size_t dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
  }
  std::string problem() const {
    const std::lock_guard lock(mutex_);
    return problem_;
  }

 private:
  void run();
  void write(const std::vector<Row>& rows);
  std::filesystem::path next_path();

  bool is_due(Clock::time_point now) const {
    if (waiting_.empty()) return false;
    if (stopping_ || flushing_ > 0) return true;
    return now >= retry_at_ && (waiting_.size() >= options_.rows_a_file || now >= due_at());
  }
  Clock::time_point due_at() const {
    return oldest_ +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.seconds_a_file));
  }

  const RotatingLogOptions options_;
  const std::string host_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::deque<Row> waiting_;
  std::size_t recorded_ = 0;  // rows so far; those beyond written_ wait, or are being written
  std::size_t written_ = 0;
  std::size_t held_bytes_ = 0;  // of these
  std::size_t dropped_ = 0;
  std::size_t failures_ = 0;
  std::size_t flushing_ = 0;
  std::string problem_;
  Clock::time_point oldest_;    // when the oldest that waits came, or the file before it was written
  Clock::time_point retry_at_;  // not before this, but for flush() and the end
  bool stopping_ = false;
  std::size_t file_number_ = 0;  // of the writer alone
  std::thread writer_;
};

template <class Row>
void RotatingLog<Row>::Impl::run() {
  const base::ThreadLimit one(1);  // DuckDB takes as many threads
  std::unique_lock lock(mutex_);
  while (!stopping_ || !waiting_.empty()) {
    if (!is_due(Clock::now())) {
      if (waiting_.empty()) {
        work_.wait(lock);
      } else {
        work_.wait_until(lock, std::max(retry_at_, due_at()));
      }
      continue;
    }
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(waiting_.size(), options_.rows_a_file));
    std::vector<Row> rows(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    oldest_ = Clock::now();
    lock.unlock();
    std::string problem;
    try {
      write(rows);
    } catch (const std::exception& error) {
      problem = error.what();
    }
    lock.lock();
    problem_ = problem;
    if (!problem.empty()) {
      ++failures_;
      retry_at_ = Clock::now() + kRetryAfter;
      waiting_.insert(waiting_.begin(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
      if (stopping_) return;
    } else {
      written_ += rows.size();
      for (const Row& row : rows) held_bytes_ -= Columns<Row>::size_bytes(row);
    }
    done_.notify_all();
  }
}

template <class Row>
void RotatingLog<Row>::Impl::write(const std::vector<Row>& rows) {
  Columns<Row> columns;
  const data::RowSupply supply = [&](std::size_t first, std::size_t count) {
    return columns.of(std::span(rows).subspan(first, count));
  };
  data::write_table(
      next_path(), Columns<Row>::specs(), rows.size(), supply,
      {{"neume", fmt::format("{{\"format\": \"neume-{}\", \"version\": {}}}", Columns<Row>::kKind, kFormatVersion)}});
}

template <class Row>
std::filesystem::path RotatingLog<Row>::Impl::next_path() {
  const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  return options_.folder / fmt::format("{}-{:%Y%m%dT%H%M%S}.{:03}Z-{}-{}-{:06}.parquet", Columns<Row>::kKind,
                                       fmt::gmtime(seconds), now.time_since_epoch().count() % 1000, host_, getpid(),
                                       ++file_number_);
}

template <class Row>
RotatingLog<Row>::RotatingLog(const RotatingLogOptions& options) : impl_(std::make_unique<Impl>(options)) {}
template <class Row>
RotatingLog<Row>::~RotatingLog() = default;

template <class Row>
void RotatingLog<Row>::record(Row row) {
  impl_->record(std::move(row));
}

template <class Row>
void RotatingLog<Row>::flush() {
  impl_->flush();
}

template <class Row>
std::size_t RotatingLog<Row>::dropped() const {
  return impl_->dropped();
}

template <class Row>
std::string RotatingLog<Row>::problem() const {
  return impl_->problem();
}

template class RotatingLog<Exposure>;
template class RotatingLog<ReceivedEvent>;

}  // namespace neume::serve

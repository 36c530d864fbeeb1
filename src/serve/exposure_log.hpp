#pragma once
// What was shown to whom by which variant, and what users did, as Parquet files that rotate: the logs that neume ab
// reads (docs/formats/exposures.md).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace neume::serve {

/// All texts are UTF-8.
struct Exposure {
  std::int64_t time_ms = 0;  ///< since 1970, UTC
  std::string request_id;
  std::string experiment;
  std::string variant;
  std::string model_version;
  std::string user_id;
  std::vector<std::string> item_ids;  ///< as ranked, best first
};

/// An event as the server took it in. The store has it durably; this copy is for analysis.
struct ReceivedEvent {
  std::int64_t time_ms = 0;  ///< when it arrived, since 1970, UTC
  std::string event_id;
  std::string user_id;
  std::string item_id;
  std::int64_t timestamp = 0;  ///< as the client gave it, in its own unit
  bool label = true;
};

struct RotatingLogOptions {
  std::filesystem::path folder;
  std::size_t rows_a_file = 100'000;
  double seconds_a_file = 300.0;
  std::size_t rows_in_memory = 200'000;        ///< beyond them rows are dropped, and counted
  std::size_t bytes_in_memory = 256ULL << 20;  ///< the same, by what their texts take
};
using ExposureLogOptions = RotatingLogOptions;

/// Safe to use from several threads. A thread of its own writes a file beside and renames it when rows_a_file rows are
/// there, or the oldest has waited seconds_a_file; record() never waits for the disk. Where a file cannot be written,
/// its rows wait for the next attempt. What is not yet in a file when the process is killed is lost; flush() and the
/// end of its life write it.
///
/// Names: KIND-20261122T190355.123Z-HOST-PID-NUMBER.parquet (KIND: exposures, events), so that they sort by the time of
/// writing and several servers can share a folder.
template <class Row>
class RotatingLog {
 public:
  /// Throws DataError for a folder that cannot be made or written.
  explicit RotatingLog(const RotatingLogOptions& options);
  ~RotatingLog();

  void record(Row row);

  /// Returns when all that was recorded is in files. Throws DataError where a file could not be written.
  void flush();

  /// Rows that are in no file and never will be.
  std::size_t dropped() const;

  /// Why the last file could not be written; empty where it could.
  std::string problem() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

extern template class RotatingLog<Exposure>;
extern template class RotatingLog<ReceivedEvent>;
using ExposureLog = RotatingLog<Exposure>;
using EventLog = RotatingLog<ReceivedEvent>;

}  // namespace neume::serve

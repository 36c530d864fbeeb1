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

struct Exposure {
  std::int64_t time_ms = 0;  ///< since 1970, UTC
  std::string request_id;
  std::string experiment;
  std::string variant;
  std::string model_version;
  std::string user_id;
  std::vector<std::string> item_ids;  ///< as ranked, best first
};

struct ExposureLogOptions {
  std::filesystem::path folder;
  std::size_t rows_a_file = 100'000;
  double seconds_a_file = 300.0;
  std::size_t rows_in_memory = 200'000;  ///< beyond them exposures are dropped, and counted
};

/// A thread of its own writes files beside and renames them; record() never waits for the disk. What is not yet in a
/// file when the process is killed is lost; flush() and the end of its life write it.
class ExposureLog {
 public:
  /// Throws DataError for a folder that cannot be written.
  explicit ExposureLog(const ExposureLogOptions& options);
  ~ExposureLog();

  void record(Exposure exposure);
  void flush();
  std::size_t dropped() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace neume::serve

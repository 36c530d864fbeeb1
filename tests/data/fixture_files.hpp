#pragma once
// Folders and files for the tests of the data layer, and a check of what an error says.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/duckdb_table.hpp"

namespace neume::data::testing {

/// An empty folder that disappears with its test.
class DataFiles : public ::testing::Test {
 protected:
  DataFiles() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() / (std::string("neume-data-") + std::to_string(getpid()) + "-" +
                                                        info->test_suite_name() + "-" + info->name());
    std::filesystem::create_directories(folder_);
  }
  ~DataFiles() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary)
        << content;  // not base::write_file: waiting for the disk takes too long
    return path(name);
  }

  /// The rows of a query as a Parquet file.
  std::string write_parquet(const std::string& name, const std::string& query) const {
    Database database(name);
    database.execute("COPY (" + query + ") TO " + sql_text(path(name)) + " (FORMAT parquet)");
    return path(name);
  }

 private:
  std::filesystem::path folder_;
};

/// Expects `act` to throw a Failure whose message holds every one of `parts`.
template <class Failure>
void expect_failure(const std::function<void()>& act, const std::vector<std::string>& parts) {
  try {
    act();
    ADD_FAILURE() << "expected an error that says " << (parts.empty() ? "" : parts.front());
  } catch (const Failure& error) {
    const std::string message = error.what();
    for (const auto& part : parts) EXPECT_NE(message.find(part), std::string::npos) << part << "\nnot in: " << message;
  }
}

/// An NPY file of version 1.0 with this header text and these raw data.
inline std::string npy_bytes(const std::string& header, std::string_view data, char major = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += major;
  bytes += '\0';
  const auto length = static_cast<std::uint32_t>(header.size());
  bytes.append(reinterpret_cast<const char*>(&length), major == 1 ? 2 : 4);
  return bytes + header + std::string(data);
}

template <class T>
std::string npy_of(const std::string& descr, std::size_t rows, std::size_t cols, const std::vector<T>& values) {
  const std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + std::to_string(rows) +
                             ", " + std::to_string(cols) + "), }\n";
  return npy_bytes(header, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

inline std::filesystem::path shared_data() {
  return std::filesystem::path(NEUME_SOURCE_DIR) / ".." / "shared" / "data";
}

}  // namespace neume::data::testing

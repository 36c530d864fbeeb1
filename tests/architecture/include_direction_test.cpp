// Which way the arrows point: a file includes its own folder and lower levels only.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace neume {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = NEUME_SOURCE_DIR;

/// A folder may include folders of lower levels, and itself. The same level means strangers.
const std::map<std::string, int> kLevels{{"neume", 0}, {"base", 1},  {"comm", 1}, {"kernels", 2}, {"data", 2},
                                         {"store", 2}, {"http", 2},  {"nn", 3},   {"eval", 3},    {"quantize", 4},
                                         {"rank", 4},  {"serve", 5}, {"apps", 6}};

struct Include {
  std::string file;    ///< relative to the repository
  std::string folder;  ///< of the including file: a key of kLevels
  std::string target;  ///< as written between the quotes or brackets
  bool is_quoted = false;

  /// The folder of the target, or nothing where it is no folder of ours.
  std::string target_folder() const {
    const std::size_t slash = target.find('/');
    const std::string first = slash == std::string::npos ? "" : target.substr(0, slash);
    if (kLevels.contains(first)) return first;
    return is_quoted ? folder : "";  // "own.hpp" lies beside the including file
  }
};

/// The folder (a key of kLevels) that a source belongs to.
std::string folder_of(const fs::path& relative) {
  const auto part = [&](std::size_t index) { return std::next(relative.begin(), static_cast<int>(index))->string(); };
  if (part(0) == "include") return "neume";
  return part(0) == "apps" ? "apps" : part(1);
}

std::vector<fs::path> sources_under(const std::vector<std::string>& folders) {
  std::vector<fs::path> files;
  for (const std::string& folder : folders) {
    if (!fs::exists(kRoot / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".hpp" || extension == ".cpp") files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

std::vector<Include> all_includes() {
  const std::regex pattern(R"re(^\s*#\s*include\s*(["<])([^">]+)[">])re");
  std::vector<Include> includes;
  for (const fs::path& file : sources_under({"include", "src", "apps"})) {
    const fs::path relative = fs::relative(file, kRoot);
    std::ifstream in(file);
    std::string line;
    std::smatch match;
    while (std::getline(in, line)) {
      if (!std::regex_search(line, match, pattern)) continue;
      includes.push_back({relative.string(), folder_of(relative), match[2], match[1] == "\""});
    }
  }
  return includes;
}

bool is_allowed(const Include& include) {
  const std::string target = include.target_folder();
  if (target.empty() || target == include.folder) return true;
  return kLevels.at(target) < kLevels.at(include.folder);
}

TEST(IncludeDirection, EveryFolderHasALevel) {
  for (const fs::path& file : sources_under({"include", "src", "apps"})) {
    const fs::path relative = fs::relative(file, kRoot);
    EXPECT_TRUE(kLevels.contains(folder_of(relative))) << relative << ": its folder is not in the table of levels";
  }
}

TEST(IncludeDirection, NoForbiddenEdge) {
  const std::vector<Include> includes = all_includes();
  ASSERT_GT(includes.size(), 100u);
  for (const Include& include : includes) {
    EXPECT_TRUE(is_allowed(include)) << include.file << " (" << include.folder << ") includes " << include.target;
  }
}

TEST(IncludeDirection, SeesAForbiddenEdge) {
  EXPECT_FALSE(is_allowed({"src/base/x.cpp", "base", "data/npy.hpp", true}));
  EXPECT_FALSE(is_allowed({"src/kernels/x.cpp", "kernels", "data/npy.hpp", true}));
  EXPECT_FALSE(is_allowed({"include/neume/x.hpp", "neume", "base/file.hpp", true}));
  EXPECT_TRUE(is_allowed({"src/rank/x.cpp", "rank", "data/npy.hpp", true}));
  EXPECT_TRUE(is_allowed({"apps/neume/x.cpp", "apps", "console.hpp", true}));
}

// What makes a header with a source of its own compile alone: tests/CMakeLists.txt gives those without one a source.
TEST(IncludeDirection, ASourceIncludesItsOwnHeaderFirst) {
  std::map<std::string, std::string> first_of;
  for (const Include& include : all_includes()) first_of.emplace(include.file, include.target);
  std::size_t checked = 0;
  for (const auto& [file, first] : first_of) {
    const fs::path header = fs::path(file).replace_extension(".hpp");
    if (!file.starts_with("src/") || !file.ends_with(".cpp") || !fs::exists(kRoot / header)) continue;
    EXPECT_EQ(first, fs::relative(header, "src").string()) << file;
    ++checked;
  }
  EXPECT_GT(checked, 50u);
}

TEST(IncludeDirection, PublicHeadersIncludeStdAndThemselvesOnly) {
  // No third-party header has a name without a dot, and every header of the standard library has.
  const std::regex standard("^[a-z_]+$"), own("^neume/[a-z_]+\\.hpp$");
  for (const Include& include : all_includes()) {
    if (include.folder != "neume") continue;
    EXPECT_FALSE(include.is_quoted) << include.file << ": write <" << include.target << ">";
    EXPECT_TRUE(std::regex_match(include.target, standard) || std::regex_match(include.target, own))
        << include.file << " includes " << include.target;
  }
}

}  // namespace
}  // namespace neume

// Packages come from wherever the machine's package clients are set up to fetch them: no file names a registry's host.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace neume {
namespace {

namespace fs = std::filesystem;

/// Hosts are put together here, so that this file does not name them either.
std::vector<std::string> registry_hosts() {
  const std::string dot = ".";
  return {"registry" + dot + "npmjs",   "npmjs" + dot + "org",      "pypi" + dot + "org",
          "pythonhosted" + dot + "org", "crates" + dot + "io",      "deb" + dot + "debian",
          "proxy" + dot + "golang",     "archive" + dot + "ubuntu", "registry" + dot + "yarnpkg",
          "conda" + dot + "anaconda"};
}

bool is_skipped(const fs::path& path) {
  static const std::set<std::string> kFolders{".git", "build", "node_modules", "runs", "demo-output", "__pycache__"};
  return kFolders.contains(path.filename().string());
}

TEST(RegistryHosts, AreNamedNowhere) {
  std::size_t num_files = 0;
  const std::vector<std::string> hosts = registry_hosts();
  for (auto it = fs::recursive_directory_iterator(NEUME_SOURCE_DIR); it != fs::recursive_directory_iterator(); ++it) {
    if (is_skipped(it->path())) {
      it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file()) continue;
    std::ifstream in(it->path(), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    ++num_files;
    for (const std::string& host : hosts) {
      EXPECT_EQ(text.str().find(host), std::string::npos) << it->path() << " names " << host;
    }
  }
  EXPECT_GT(num_files, 50u);
}

}  // namespace
}  // namespace neume

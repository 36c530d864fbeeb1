// Runs the command-line tests of cases/*.case. Such a file is a script of a few line types, run from top to bottom in
// an empty folder of its own:
//
//   # a comment
//   npy FILE ROWS COLS: 1 2 nan 4        writes an f32 NPY file
//   $ neume fit ...                      runs a shell command; what follows judges it
//   exit 2                               its exit code (0 where this line is left out)
//   out: text      err: text             standard output / error holds the text
//   out~ regex     err~ regex            ... holds a match of the regular expression
//   out! text      err! text             ... does not hold the text
//   err-lines 1                          standard error has so many lines
//   absent FILE                          the file or folder is not there afterwards

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace neume {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// "FILE ROWS COLS: values" as an NPY file of version 1.0.
void write_npy(const fs::path& folder, const std::string& text) {
  std::istringstream in(text);
  std::string name, value;
  std::size_t rows = 0, cols = 0;
  char colon = 0;
  in >> name >> rows >> cols >> colon;
  std::vector<float> values;
  while (in >> value) values.push_back(std::strtof(value.c_str(), nullptr));
  ASSERT_EQ(values.size(), rows * cols) << text;
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                       std::to_string(cols) + "), }";
  header.resize(117, ' ');
  header += '\n';
  std::ofstream out(folder / name, std::ios::binary);
  out << "\x93NUMPY" << '\x01' << '\0' << static_cast<char>(header.size()) << '\0' << header;
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
}

class CaseFile : public ::testing::Test {
 public:
  explicit CaseFile(fs::path file) : file_(std::move(file)) {}

  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "neume-case-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    fs::create_directory(folder_ / "work");
  }

  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  void TestBody() override {
    std::ifstream in(file_);
    std::string line;
    for (std::size_t number = 1; std::getline(in, line); ++number) {
      SCOPED_TRACE(file_.filename().string() + ":" + std::to_string(number) + ": " + line + "\n  after: " + command_);
      run_line(line);
      if (HasFatalFailure()) return;
    }
    judge_exit_code(0);
    EXPECT_FALSE(command_.empty()) << file_ << " runs no command";
  }

 private:
  void run_line(const std::string& line) {
    if (line.empty() || line[0] == '#') return;
    const std::size_t space = line.find(' ');
    ASSERT_NE(space, std::string::npos);
    const std::string word = line.substr(0, space), rest = line.substr(space + 1);
    if (word == "$") {
      judge_exit_code(0);
      run_command(rest);
    } else if (word == "npy") {
      write_npy(folder_ / "work", rest);
    } else if (word == "exit") {
      judge_exit_code(std::stoi(rest));
    } else if (word == "absent") {
      EXPECT_FALSE(fs::exists(folder_ / "work" / rest));
    } else if (word == "err-lines") {
      EXPECT_EQ(std::ranges::count(error_, '\n'), std::stoi(rest)) << error_;
    } else if (word.size() == 4 && (word.starts_with("out") || word.starts_with("err"))) {
      judge_text(word.starts_with("out") ? output_ : error_, word[3], rest);
    } else {
      FAIL() << "the runner does not know this line";
    }
  }

  void run_command(const std::string& command) {
    command_ = command;
    const std::string path = fs::path(NEUME_PROGRAM).parent_path().string() + ":" + std::getenv("PATH");
    const std::string in_folder = "cd '" + (folder_ / "work").string() + "' && { " + command + "\n} >../out 2>../err";
    setenv("OMP_WAIT_POLICY", "passive", 1);
    setenv("PATH", path.c_str(), 1);
    setenv("EXAMPLES", NEUME_SOURCE_DIR "/examples", 1);
    const int status = std::system(in_folder.c_str());
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    output_ = content_of(folder_ / "out");
    error_ = content_of(folder_ / "err");
  }

  /// Judges the last command's exit code, once.
  void judge_exit_code(int expected) {
    if (!exit_code_) return;
    EXPECT_EQ(*exit_code_, expected) << "of: " << command_ << "\nstdout:\n" << output_ << "stderr:\n" << error_;
    exit_code_.reset();
  }

  static void judge_text(const std::string& text, char kind, const std::string& expected) {
    const bool is_found =
        kind == '~' ? std::regex_search(text, std::regex(expected)) : text.find(expected) != std::string::npos;
    EXPECT_EQ(is_found, kind != '!') << text;
  }

  fs::path file_;
  fs::path folder_;
  std::string command_;
  std::optional<int> exit_code_;
  std::string output_;
  std::string error_;
};

/// One test a file, registered before main() looks for tests.
const bool kRegistered = [] {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(NEUME_SOURCE_DIR "/tests/apps/cases")) {
    if (entry.path().extension() == ".case") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  for (const fs::path& file : files) {
    testing::RegisterTest("CommandLine", file.stem().c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [file]() -> testing::Test* { return new CaseFile(file); });
  }
  return true;
}();

TEST(CommandLine, HasCases) {
  EXPECT_TRUE(kRegistered);
}

}  // namespace
}  // namespace neume

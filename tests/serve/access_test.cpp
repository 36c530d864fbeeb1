#include "serve/access.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <neume/error.hpp>

namespace neume::serve {

namespace {

const std::string kReader = "reader-token-0123456789";
const std::string kWriter = "writer-token-0123456789";
const std::string kAdmin = "admin-token-0123456789";

class AccessFile : public testing::Test {
 protected:
  AccessFile() : path_(std::filesystem::temp_directory_path() / ("neume-access-" + std::to_string(getpid()))) {}
  ~AccessFile() override { std::filesystem::remove(path_); }

  Access read(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    return Access::from_file(path_);
  }
  std::string error_of(const std::string& text) {
    try {
      read(text);
    } catch (const DataError& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path path_;
};

std::string three_tokens(const std::string& line_end = "\n") {
  return Access::line_of(kReader, Scope::read, "dashboard") + line_end + Access::line_of(kWriter, Scope::write, "") +
         line_end + Access::line_of(kAdmin, Scope::admin, "the operator # at night") + line_end;
}

TEST_F(AccessFile, ScopesHoldTheOnesBefore) {
  const Access access = read("# who may call\n\n" + three_tokens());
  EXPECT_FALSE(access.is_open());
  const auto verdict = [&](const std::string& token, Scope needed) { return access.check("Bearer " + token, needed); };
  EXPECT_EQ(verdict(kReader, Scope::read), Verdict::granted);
  EXPECT_EQ(verdict(kReader, Scope::write), Verdict::forbidden);
  EXPECT_EQ(verdict(kReader, Scope::admin), Verdict::forbidden);
  EXPECT_EQ(verdict(kWriter, Scope::read), Verdict::granted);
  EXPECT_EQ(verdict(kWriter, Scope::write), Verdict::granted);
  EXPECT_EQ(verdict(kWriter, Scope::admin), Verdict::forbidden);
  EXPECT_EQ(verdict(kAdmin, Scope::admin), Verdict::granted);
}

TEST_F(AccessFile, WhatIsNoTokenOfOurs) {
  const Access access = read(three_tokens());
  for (const std::string header : {"", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearers x"}) {
    EXPECT_EQ(access.check(header, Scope::read), Verdict::missing) << header;
  }
  for (const std::string& header : {"Bearer " + kReader + "x", "Bearer " + kReader.substr(1), "Bearer  " + kReader,
                                    std::string("Bearer \0", 8), "Bearer " + std::string(100'000, 'a')}) {
    EXPECT_EQ(access.check(header, Scope::read), Verdict::unknown);
  }
  EXPECT_EQ(access.check("bearer " + kReader, Scope::read), Verdict::granted);  // schemes have no case
  EXPECT_EQ(access.check("BEARER " + kReader, Scope::read), Verdict::granted);
}

TEST_F(AccessFile, LinesAsEditorsMakeThem) {
  EXPECT_EQ(read(three_tokens("\r\n")).check("Bearer " + kWriter, Scope::write), Verdict::granted);
  EXPECT_EQ(read("\xEF\xBB\xBF" + three_tokens()).check("Bearer " + kReader, Scope::read), Verdict::granted);
  std::string line = "  \t" + Access::line_of(kReader, Scope::read, "") + "\t# no line end";
  EXPECT_EQ(read(line).check("Bearer " + kReader, Scope::read), Verdict::granted);
  for (char& c : line) c = static_cast<char>(c >= 'a' && c <= 'f' ? c - 'a' + 'A' : c);
  line.replace(line.find("rEAD"), 4, "read");
  EXPECT_EQ(read(line).check("Bearer " + kReader, Scope::read), Verdict::granted);
}

TEST_F(AccessFile, ErrorsNameTheLine) {
  const std::string good = Access::line_of(kReader, Scope::read, "");
  for (const std::string& bad :
       {std::string("read"), "owner " + good.substr(5), "read " + good.substr(6), good + "0", "Read " + good.substr(5),
        "read " + std::string(64, 'g'), "read " + kReader, std::string("read\0", 5) + good.substr(4)}) {
    const std::string error = error_of("# first\n" + bad + "\n");
    EXPECT_NE(error.find(path_.string() + ":2: expected a scope"), std::string::npos) << error;
    EXPECT_EQ(error.find(kReader), std::string::npos) << "a token in an error";
  }
  EXPECT_NE(error_of(good + "\nadmin " + good.substr(5)).find(":2: this token has a line already"), std::string::npos);
  EXPECT_NE(error_of("# nobody\n").find("no token"), std::string::npos);
  EXPECT_THROW(Access::from_file(path_.string() + ".absent"), DataError);
}

TEST_F(AccessFile, MustNotBeWrittenByEverybody) {
  read(three_tokens());
  chmod(path_.c_str(), 0644);
  EXPECT_FALSE(Access::from_file(path_).is_open());
  chmod(path_.c_str(), 0646);
  EXPECT_THROW(Access::from_file(path_), DataError);
}

TEST(Access, OpenGrantsEverything) {
  EXPECT_TRUE(Access::open().is_open());
  EXPECT_EQ(Access::open().check("", Scope::admin), Verdict::granted);
}

TEST(Access, HashesAsOthersDo) {
  // printf 0123456789abcdef | sha256sum
  EXPECT_EQ(Access::line_of("0123456789abcdef", Scope::write, "name"),
            "write 9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f name");
}

TEST(Access, TokensThatCouldBeGuessedOrNotSent) {
  for (const std::string& token : {std::string(), std::string("short"), std::string(15, 'a'), std::string(1025, 'a'),
                                   std::string("0123456789 abcdef"), std::string("0123456789abcdef\n")}) {
    EXPECT_THROW(Access::line_of(token, Scope::read, ""), InvalidArgument) << token;
  }
  EXPECT_THROW(Access::line_of(kReader, Scope::read, "a\nadmin"), InvalidArgument);
}

}  // namespace

}  // namespace neume::serve

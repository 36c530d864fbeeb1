#pragma once
// Who may call: bearer tokens with scopes, from a file that holds their hashes alone.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace neume::serve {

enum class Scope { read, write, admin };  ///< each holds the ones before

enum class Verdict {
  granted,
  missing,   ///< no Authorization: Bearer ...; 401
  unknown,   ///< a token that is not in the file; 401
  forbidden  ///< of a smaller scope; 403
};

class Access {
 public:
  /// Everybody may do everything: on loopback alone.
  static Access open();

  /// A line a token, "SCOPE SHA256-IN-HEX [NAME]"; # opens a comment. Throws DataError with the line for anything else,
  /// two lines for one token, or a file that everybody may write. Others may read it (where secrets are mounted into
  /// containers they often can): a hash of a token as line_of demands it cannot be turned back.
  static Access from_file(const std::filesystem::path& path);

  /// The line for a token, and back in from_file; `neume serve --hash-token` prints it. Throws InvalidArgument where
  /// the token is short enough to be guessed or has bytes that a header cannot carry.
  static std::string line_of(std::string_view token, Scope scope, std::string_view name);

  /// `authorization` is the header's value. Takes the same time whichever token it is compared with.
  Verdict check(std::string_view authorization, Scope needed) const;

  bool is_open() const { return open_; }

 private:
  struct Token {
    Scope scope;
    std::string hash;  // 32 bytes
  };
  bool open_ = false;
  std::vector<Token> tokens_;
};

}  // namespace neume::serve

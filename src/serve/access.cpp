#include "serve/access.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>

#include <neume/error.hpp>

#include "base/file.hpp"

namespace neume::serve {

namespace {

constexpr std::size_t kHashBytes = 32;
constexpr std::array<std::string_view, 3> kScopeNames{"read", "write", "admin"};
constexpr std::string_view kBearer = "bearer ";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // some editors begin a file with it
// Hashes in a file that others may read are no secret, and SHA-256 is fast: a token must be too long to be guessed.
constexpr std::size_t kMinTokenBytes = 16;
constexpr std::size_t kMaxTokenBytes = 1024;

std::string sha256(std::string_view text) {
  std::string hash(kHashBytes, '\0');
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(hash.data()), &size, EVP_sha256(),
                 nullptr) != 1 ||
      size != kHashBytes) {
    throw InternalError("SHA-256 is not available");
  }
  return hash;
}

/// What a header can carry as a bearer token (RFC 6750, section 2.1).
bool is_token_byte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

/// Bytes of hexadecimal digits; empty where `text` is anything else.
std::string from_hex(std::string_view text) {
  const auto is_digit = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
  if (text.size() % 2 != 0 || !std::all_of(text.begin(), text.end(), is_digit)) return {};
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

/// The token of an Authorization header; empty where it has none. The scheme's case does not matter (RFC 9110, 11.1).
std::string_view bearer_token(std::string_view authorization) {
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  const std::string_view scheme = authorization.substr(0, kBearer.size());
  if (!std::equal(scheme.begin(), scheme.end(), kBearer.begin(), kBearer.end(), same)) return {};
  return authorization.substr(kBearer.size());
}

}  // namespace

Access Access::open() {
  Access access;
  access.open_ = true;
  return access;
}

Access Access::from_file(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IWOTH) != 0) {
    throw DataError(fmt::format("{}: everybody may write this file; chmod o-w it", path.string()));
  }
  std::string text = base::read_file(path);
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  std::istringstream lines(text);
  Access access;
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string scope, hash;
    if (!(words >> scope)) continue;
    words >> hash;
    const auto* name = std::find(kScopeNames.begin(), kScopeNames.end(), scope);
    Token token{static_cast<Scope>(name - kScopeNames.begin()), from_hex(hash)};
    if (name == kScopeNames.end() || token.hash.size() != kHashBytes) {
      throw DataError(
          fmt::format("{}:{}: expected a scope (read, write or admin) and the SHA-256 of a token in 64 "
                      "hexadecimal digits; neume serve --hash-token makes such a line",
                      path.string(), number));
    }
    const auto same = [&](const Token& other) { return other.hash == token.hash; };
    if (std::any_of(access.tokens_.begin(), access.tokens_.end(), same)) {
      throw DataError(fmt::format("{}:{}: this token has a line already; remove one", path.string(), number));
    }
    access.tokens_.push_back(std::move(token));
  }
  if (access.tokens_.empty()) throw DataError(fmt::format("{}: no token; nobody could call", path.string()));
  return access;
}

std::string Access::line_of(std::string_view token, Scope scope, std::string_view name) {
  if (token.size() < kMinTokenBytes || token.size() > kMaxTokenBytes ||
      !std::all_of(token.begin(), token.end(), is_token_byte)) {
    throw InvalidArgument(
        fmt::format("token: expected {} to {} letters, digits and -._~+/=, best drawn at random (openssl rand -hex 32)",
                    kMinTokenBytes, kMaxTokenBytes));
  }
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
  if (std::any_of(name.begin(), name.end(), is_control)) throw InvalidArgument("token name: expected one line of text");
  std::string hash;
  for (const char byte : sha256(token)) hash += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  const std::string line = fmt::format("{} {}", kScopeNames[static_cast<std::size_t>(scope)], hash);
  return name.empty() ? line : fmt::format("{} {}", line, name);
}

Verdict Access::check(std::string_view authorization, Scope needed) const {
  if (open_) return Verdict::granted;
  const std::string_view presented = bearer_token(authorization);
  if (presented.empty()) return Verdict::missing;
  const std::string hash = sha256(presented);
  const Token* found = nullptr;
  for (const Token& token : tokens_) {  // all of them, whichever it is, so that the time does not tell
    if (CRYPTO_memcmp(token.hash.data(), hash.data(), kHashBytes) == 0) found = &token;
  }
  if (found == nullptr) return Verdict::unknown;
  return found->scope >= needed ? Verdict::granted : Verdict::forbidden;
}

}  // namespace neume::serve

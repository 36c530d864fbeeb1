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
constexpr std::string_view kBearer = "Bearer ";

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

std::string from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    if (std::isxdigit(static_cast<unsigned char>(text[i])) == 0 ||
        std::isxdigit(static_cast<unsigned char>(text[i + 1])) == 0) {
      return {};
    }
    bytes.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
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
  std::istringstream lines(base::read_file(path));
  Access access;
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string scope, hash;
    if (!(words >> scope)) continue;
    words >> hash;
    Token token{Scope::read, hash.size() == 2 * kHashBytes ? from_hex(hash) : std::string()};
    const auto* name = std::find(kScopeNames.begin(), kScopeNames.end(), scope);
    if (name == kScopeNames.end() || token.hash.size() != kHashBytes) {
      throw DataError(
          fmt::format("{}:{}: expected a scope (read, write or admin) and the SHA-256 of a token in 64 "
                      "hexadecimal digits; neume serve --hash-token makes such a line",
                      path.string(), number));
    }
    token.scope = static_cast<Scope>(name - kScopeNames.begin());
    access.tokens_.push_back(std::move(token));
  }
  if (access.tokens_.empty()) throw DataError(fmt::format("{}: no token; nobody could call", path.string()));
  return access;
}

std::string Access::line_of(std::string_view token, Scope scope, std::string_view name) {
  std::string hash;
  for (const char byte : sha256(token)) hash += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  const std::string line = fmt::format("{} {}", kScopeNames[static_cast<std::size_t>(scope)], hash);
  return name.empty() ? line : fmt::format("{} {}", line, name);
}

Verdict Access::check(std::string_view authorization, Scope needed) const {
  if (open_) return Verdict::granted;
  if (!authorization.starts_with(kBearer)) return Verdict::missing;
  const std::string hash = sha256(authorization.substr(kBearer.size()));
  const Token* found = nullptr;
  for (const Token& token : tokens_) {  // all of them, so that the time tells nothing
    if (CRYPTO_memcmp(token.hash.data(), hash.data(), kHashBytes) == 0) found = &token;
  }
  if (found == nullptr) return Verdict::unknown;
  return found->scope >= needed ? Verdict::granted : Verdict::forbidden;
}

}  // namespace neume::serve

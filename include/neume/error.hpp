#pragma once
// The three kinds of failure that neume reports. The library throws them and prints nothing; the command line turns
// them into exit codes.

#include <stdexcept>
#include <string>

namespace neume {

/// Base of everything that neume throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller passed something that the caller can change: an option out of range, two options that contradict.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

/// A file or a table is not what it should be. The message names the file, the place in it, what was expected, what
/// was found and what to do.
class DataError : public Error {
 public:
  using Error::Error;
};

/// A bug of neume's own: a state that no input should reach.
class InternalError : public Error {
 public:
  using Error::Error;
};

}  // namespace neume

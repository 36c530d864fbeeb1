#pragma once
// Fingerprints of input files as the user names them: `file`, `file:EXPRESSION`, with wildcards.

#include <string>

#include "json_file.hpp"

namespace neume::app {

/// Content hash of all files that a source names, in order of their names. Throws DataError where there is none.
std::string fingerprint_of_source(const std::string& source);

/// What a stage reads from a source: its expression and the files' content. Not their path: a folder may move.
Json inputs_of_source(const std::string& source);

}  // namespace neume::app

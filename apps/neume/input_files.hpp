#pragma once
// Fingerprints of input files as the user names them: `file`, `file:EXPRESSION`, with wildcards.

#include <span>
#include <string>

#include "data/catalogue.hpp"
#include "json_file.hpp"

namespace neume::app {

/// Content hash of all files that a source names, in order of their names. Throws DataError where there is none.
std::string fingerprint_of_source(const std::string& source);

/// What a stage reads from a source: its expression and the files' content. Not their path: a folder may move.
Json inputs_of_source(const std::string& source);

/// Names and contents of modalities, in their order, as stages depend on them.
Json inputs_of_modalities(std::span<const data::ModalitySource> modalities);

}  // namespace neume::app

#pragma once
// Readable names for the factors of a synthetic set. Any index has a name; beyond the words the name gets a number.

#include <cstddef>
#include <string>

namespace neume::data {

std::string genre_name_of(std::size_t genre);
/// `style` is the number of the style in its genre.
std::string style_name_of(std::size_t genre, std::size_t style);
std::string sound_name_of(std::size_t sound);
/// A word for a title.
std::string title_word_of(std::size_t index);

}  // namespace neume::data

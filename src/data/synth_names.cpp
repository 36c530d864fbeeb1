#include "data/synth_names.hpp"

#include <fmt/format.h>

#include <array>
#include <span>
#include <string_view>

namespace neume::data {

namespace {

using Words = std::span<const std::string_view>;

constexpr std::array<std::string_view, 24> kGenres{
    "folk", "house", "jazz",  "metal", "chant",  "soul",   "techno",  "blues",  "reggae", "ambient", "punk", "opera",
    "funk", "disco", "swing", "samba", "gospel", "grunge", "country", "trance", "bolero", "ska",     "fado", "drone"};
constexpr std::array<std::string_view, 12> kStyles{"classic", "deep",   "nordic",  "coastal",  "urban",  "acid",
                                                   "chamber", "desert", "baroque", "tropical", "alpine", "midnight"};
constexpr std::array<std::string_view, 24> kSounds{
    "bright strings", "warm bass",     "dry drums",     "soft piano",   "rough guitar",      "airy voices",
    "deep organ",     "sharp brass",   "slow pads",     "fast bells",   "hollow flute",      "heavy kick",
    "clean synth",    "muted trumpet", "open cymbals",  "plucked harp", "low choir",         "tight snare",
    "wide reverb",    "tape hiss",     "glass marimba", "nylon guitar", "bowed double bass", "hand claps"};
constexpr std::array<std::string_view, 32> kTitleWords{
    "Harbour", "Lantern", "Meadow",  "Signal", "Orchard", "Winter",  "Mirror",  "Station", "Garden", "Comet",  "River",
    "Window",  "Feather", "Island",  "Copper", "Thunder", "Paper",   "Horizon", "Velvet",  "Anchor", "Willow", "Ember",
    "Marble",  "Voyage",  "Saffron", "Echo",   "Cinder",  "Prairie", "Tide",    "Pilgrim", "Cobalt", "Hollow"};

std::string numbered(Words words, std::size_t index) {
  const std::string word(words[index % words.size()]);
  return index < words.size() ? word : fmt::format("{} {}", word, index / words.size() + 1);
}

}  // namespace

std::string genre_name_of(std::size_t genre) {
  return numbered(kGenres, genre);
}

std::string style_name_of(std::size_t genre, std::size_t style) {
  return fmt::format("{} {}", numbered(kStyles, style), genre_name_of(genre));
}

std::string sound_name_of(std::size_t sound) {
  return numbered(kSounds, sound);
}

std::string title_word_of(std::size_t index) {
  return std::string(kTitleWords[index % kTitleWords.size()]);
}

}  // namespace neume::data

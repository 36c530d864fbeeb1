// compare_page_example COMPARISON.json PAGE.html: writes the page of a comparison, so that a browser can be put in
// front of it.

#include <exception>
#include <fstream>
#include <iostream>

#include "compare_page.hpp"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: compare_page_example COMPARISON.json PAGE.html\n";
    return 2;
  }
  try {
    std::ifstream in(argv[1]);
    std::ofstream out(argv[2], std::ios::binary);
    out << neume::app::compare_page(neume::app::Json::parse(in));
    out.close();
    if (!out) throw std::runtime_error("could not write the page");
  } catch (const std::exception& error) {
    std::cerr << "compare_page_example: " << error.what() << "\n";
    return 1;
  }
  return 0;
}

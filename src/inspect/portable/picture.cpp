// Stands in for picture.cpp in programs without OpenCV (src/bin/portable.cmake), which draw
// nothing.
#include "ipirm/inspect/picture.h"

#include "ipirm/core/error.h"

namespace ipirm::inspect {

void require_pictures(const std::string& setting) {
  throw core::UserError(setting +
                        ": this program was built without pictures, to run anywhere; use one that "
                        "scripts/setup.sh built");
}

Colour colour_of(int64_t, int64_t) { return kInk; }
int shown_side(int stored_side) { return stored_side; }

Picture::Picture(int width, int height, Colour) : width_(width), height_(height) {
  require_pictures("a picture");
}
Colour Picture::at(int, int) const { return kPaper; }
void Picture::draw(const data::Image&, int, int, int) {}
void Picture::write(const std::string&, int, int, int, Colour) {}
void Picture::fill(int, int, int, int, Colour) {}
void Picture::frame(int, int, int, int, int, Colour) {}
void Picture::dot(double, double, int, Colour) {}
std::vector<uint8_t> Picture::png() const { return {}; }
std::vector<uint8_t> Picture::jpeg() const { return {}; }

PageImage page_image(const Picture&, std::vector<uint8_t>) { return {}; }

}  // namespace ipirm::inspect

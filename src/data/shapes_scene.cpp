// Traces rays through the scene in closed form: two walls, a floor, one solid, hard shadows.
#include "data/shapes_scene.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "data/hues.h"

namespace ipirm::data {
namespace {

struct Vec {
  double x, y, z;  // y is up
};

Vec operator+(const Vec& a, const Vec& b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
Vec operator*(double s, const Vec& a) { return {s * a.x, s * a.y, s * a.z}; }
double dot(const Vec& a, const Vec& b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

// The points start + t * direction, t > 0. The direction may have any length.
struct Ray {
  Vec start, direction;
};

// Where a ray first meets something; t = kNever: nowhere.
constexpr double kNever = 1e30;
struct Hit {
  double t = kNever;
  Vec normal = {0, 0, 0};  // of length 1, outwards
};

// Lengths in units of a solid of scale 1.
constexpr double kWallDistance = 2;  // of the walls x = 2 and z = 2 from the middle of the room
constexpr double kCameraDistance = 4, kCameraHeight = 2, kTargetHeight = .5;
constexpr double kHalfView = .34;  // half the image's side, at distance 1 from the camera
constexpr double kCapsuleRadius = .35, kCapsuleHeight = 1.3;
constexpr double kNear = 1e-9;  // a ray that starts on a surface does not meet it there

constexpr Vec kToLight = {-2. / 7, 6. / 7, -3. / 7};
constexpr double kAmbient = .3, kDiffuse = .7;
constexpr int kBrightest = 256;
constexpr int kRaysASide = 4;  // of a pixel

// sin(45 + a) for the azimuths a = -30 + 30 k/7 degrees; read backwards, their cosines.
constexpr std::array<double, kNumSceneOrientations> kSines = {
    0.25881904510252074, 0.3302790619551671, 0.39989202431974097, 0.467268628273062,
    0.5320320765153366,  0.5938201855735016, 0.6522874112781212,  0.7071067811865476,
    0.757971723145453,   0.8045977797666684, 0.8467241992282841,  0.8841153935046098,
    0.9165622558699762,  0.9438833303083676, 0.9659258262890683};

// The two t at which a t^2 + 2 b t + c is 0, in ascending order; false where it never is.
bool roots(double a, double b, double c, double& first, double& second) {
  const double discriminant = b * b - a * c;
  if (a <= 0 || discriminant <= 0) return false;
  const double root = std::sqrt(discriminant);
  first = (-b - root) / a;
  second = (-b + root) / a;
  return true;
}

Hit meet_sphere(const Ray& ray, double height, double radius) {
  const Vec from = ray.start + Vec{0, -height, 0};
  double first = 0, second = 0;
  if (!roots(dot(ray.direction, ray.direction), dot(from, ray.direction),
             dot(from, from) - radius * radius, first, second) ||
      first <= kNear)
    return {};
  return {first, (1 / radius) * (from + first * ray.direction)};
}

// The round side of an upright cylinder, between two heights.
Hit meet_side(const Ray& ray, double radius, double low, double high) {
  const Vec &o = ray.start, &d = ray.direction;
  double first = 0, second = 0;
  if (!roots(d.x * d.x + d.z * d.z, o.x * d.x + o.z * d.z, o.x * o.x + o.z * o.z - radius * radius,
             first, second) ||
      first <= kNear)
    return {};
  const Vec at = o + first * d;
  if (at.y < low || at.y > high) return {};
  return {first, {at.x / radius, 0, at.z / radius}};
}

// The upper end of an upright cylinder; nothing sees the lower one, which stands on the floor.
Hit meet_top(const Ray& ray, double radius, double height) {
  if (ray.direction.y >= 0) return {};
  const double t = (height - ray.start.y) / ray.direction.y;
  const Vec at = ray.start + t * ray.direction;
  if (t <= kNear || at.x * at.x + at.z * at.z > radius * radius) return {};
  return {t, {0, 1, 0}};
}

Hit nearer(const Hit& a, const Hit& b) { return b.t < a.t ? b : a; }

// A cube of that side on the floor, parallel to the walls.
Hit meet_cube(const Ray& ray, double side) {
  const double half = side / 2;
  const double low[] = {-half, 0, -half}, high[] = {half, side, half};
  const double start[] = {ray.start.x, ray.start.y, ray.start.z};
  const double direction[] = {ray.direction.x, ray.direction.y, ray.direction.z};
  double enter = kNear, leave = kNever;
  int axis = -1;
  for (int i = 0; i < 3; ++i) {
    if (direction[i] == 0) {
      if (start[i] < low[i] || start[i] > high[i]) return {};
      continue;
    }
    double in = (low[i] - start[i]) / direction[i], out = (high[i] - start[i]) / direction[i];
    if (in > out) std::swap(in, out);
    if (in > enter) enter = in, axis = i;
    leave = std::min(leave, out);
  }
  if (axis < 0 || enter >= leave) return {};
  const double outwards = direction[axis] > 0 ? -1 : 1;
  return {enter, {axis == 0 ? outwards : 0, axis == 1 ? outwards : 0, axis == 2 ? outwards : 0}};
}

Hit meet_solid(const Ray& ray, int shape, double scale) {
  const double half = scale / 2;
  switch (shape) {
    case 0:
      return meet_cube(ray, scale);
    case 1:
      return nearer(meet_side(ray, half, 0, scale), meet_top(ray, half, scale));
    case 2:
      return meet_sphere(ray, half, half);
    default: {
      const double radius = kCapsuleRadius * scale, top = kCapsuleHeight * scale - radius;
      return nearer(meet_side(ray, radius, radius, top),
                    nearer(meet_sphere(ray, radius, radius), meet_sphere(ray, top, radius)));
    }
  }
}

int brightness(const Vec& normal, bool in_shadow) {
  const double light = in_shadow ? 0 : std::max(0., dot(normal, kToLight));
  return static_cast<int>(kBrightest * (kAmbient + kDiffuse * light));
}

// The room's surfaces, which every ray of the camera meets in the end.
Hit meet_room(const Ray& ray, bool& floor) {
  const Vec &o = ray.start, &d = ray.direction;
  Hit hit;
  if (d.x > 0) hit = {(kWallDistance - o.x) / d.x, {-1, 0, 0}};
  if (d.z > 0) hit = nearer(hit, {(kWallDistance - o.z) / d.z, {0, 0, -1}});
  const double down = d.y < 0 ? -o.y / d.y : kNever;
  floor = down < hit.t;
  return floor ? Hit{down, {0, 1, 0}} : hit;
}

class Camera {
 public:
  explicit Camera(int orientation) {
    const auto k = static_cast<size_t>(orientation);
    const double sine = kSines[k], cosine = kSines[kSines.size() - 1 - k];
    start_ = {-kCameraDistance * sine, kCameraHeight, -kCameraDistance * cosine};
    const double down = kCameraHeight - kTargetHeight;
    const double length = std::sqrt(kCameraDistance * kCameraDistance + down * down);
    const double forth = kCameraDistance / length, fall = down / length;
    forward_ = {forth * sine, -fall, forth * cosine};
    right_ = {cosine, 0, -sine};
    up_ = {fall * sine, forth, fall * cosine};
  }

  // Through a point of the image, whose sides run from -1 to 1, to the right and up.
  Ray ray(double right, double up) const {
    return {start_, forward_ + kHalfView * right * right_ + kHalfView * up * up_};
  }

 private:
  Vec start_, forward_, right_, up_;
};

}  // namespace

SceneLight trace_scene(int scale_index, int shape, int orientation) {
  constexpr int kRays = kShapesSide * kRaysASide;
  const Camera camera(orientation);
  const double scale = .75 + .5 * scale_index / (kNumSceneScales - 1);
  SceneLight light = {};
  for (int y = 0; y < kRays; ++y) {
    for (int x = 0; x < kRays; ++x) {
      const Ray ray =
          camera.ray((2 * x + 1 - kRays) / double{kRays}, (kRays - 2 * y - 1) / double{kRays});
      const auto pixel = static_cast<size_t>(y / kRaysASide * kShapesSide + x / kRaysASide);
      const Hit solid = meet_solid(ray, shape, scale);
      bool floor = false;
      const Hit room = meet_room(ray, floor);
      if (solid.t < room.t) {
        light.object[pixel] += static_cast<uint16_t>(brightness(solid.normal, false));
        continue;
      }
      const Ray to_light = {ray.start + room.t * ray.direction, kToLight};
      const bool in_shadow = meet_solid(to_light, shape, scale).t < kNever;
      auto& surface = floor ? light.floor : light.wall;
      surface[pixel] += static_cast<uint16_t>(brightness(room.normal, in_shadow));
    }
  }
  return light;
}

void colour_scene(const SceneLight& light, const SceneFactors& factors, uint8_t* planes) {
  const Rgb floor = hue_colour(factors.floor_hue, kNumSceneHues),
            wall = hue_colour(factors.wall_hue, kNumSceneHues),
            object = hue_colour(factors.object_hue, kNumSceneHues);
  for (size_t c = 0; c < 3; ++c) {
    for (size_t p = 0; p < kShapesPixels; ++p) {
      const int sum =
          light.floor[p] * floor[c] + light.wall[p] * wall[c] + light.object[p] * object[c];
      *planes++ = static_cast<uint8_t>((sum + kFullLight / 2) / kFullLight);
    }
  }
}

}  // namespace ipirm::data

//! Collects what the interpreter draws into a [`Page`].

use std::time::Instant;

use hayro_interpret::font::{Glyph as DrawnGlyph, GlyphRun};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::kurbo::{Affine, BezPath, PathEl, Point, Shape};
use hayro_interpret::{BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, Paint, SoftMask};

use super::model::{Area, Glyph, Page, Rect, Rule, Visibility};
use super::{PageFault, PdfLimits};

/// A filled rectangle thinner than this is a rule.
const RULE_THICKNESS_MAX: f64 = 3.0;
/// A stroke may leave its axis by this much over its whole length.
const AXIS_TOLERANCE: f64 = 0.75;
/// Text smaller than this cannot be read by a person.
const SIZE_READABLE_MIN: f64 = 1.0;
/// The clock is looked at once in so many events.
const EVENTS_BETWEEN_CLOCK: u32 = 256;

/// Carried by the unwinding that ends the interpretation early; it is not a panic and prints nothing.
struct Stop;

pub(super) struct Collector {
    bounds: Rect,
    glyphs_max: usize,
    shapes_max: usize,
    deadline: Instant,
    events: u32,
    clips: Vec<Rect>,
    glyphs: Vec<Glyph>,
    rules: Vec<Rule>,
    areas: Vec<Area>,
    images: Vec<Rect>,
    curves: Vec<(f64, f64)>,
    unmapped: usize,
    sideways: [usize; 4],
    /// Indexes of glyphs drawn in white, until what lies behind them is known.
    white: Vec<usize>,
    stopped: Option<PageFault>,
}

impl Collector {
    pub(super) fn new(width: f64, height: f64, limits: &PdfLimits, deadline: Instant) -> Self {
        Self {
            bounds: Rect::new(0.0, 0.0, width, height),
            glyphs_max: limits.glyphs_per_page_max,
            shapes_max: limits.shapes_per_page_max,
            deadline,
            events: 0,
            clips: Vec::new(),
            glyphs: Vec::new(),
            rules: Vec::new(),
            areas: Vec::new(),
            images: Vec::new(),
            curves: Vec::new(),
            unmapped: 0,
            sideways: [0; 4],
            white: Vec::new(),
            stopped: None,
        }
    }

    pub(super) fn stopped(&self) -> Option<PageFault> {
        self.stopped
    }

    pub(super) fn finish(mut self, page: &mut Page) {
        self.hide_text_on_its_own_colour();
        page.glyphs = self.glyphs;
        page.rules = self.rules;
        page.areas = self.areas;
        page.images = self.images;
        page.curves = self.curves;
        page.unmapped = self.unmapped;
        let [_, quarter, half, three_quarters] = self.sideways;
        let total: usize = self.sideways.iter().sum();
        // A page printed sideways without saying so is turned, so that everything after this
        // module meets lines that run from left to right.
        for (count, turns) in [(quarter, 1), (half, 2), (three_quarters, 3)] {
            if 10 < total && total * 7 < count * 10 {
                turn(page, turns);
            }
        }
        page.glyphs.dedup_by(|later, earlier| is_shadow(earlier, later));
    }

    /// Counts an event and ends the interpretation where a limit is reached.
    fn tick(&mut self) {
        self.events = self.events.wrapping_add(1);
        if self.events.is_multiple_of(EVENTS_BETWEEN_CLOCK) && self.deadline <= Instant::now() {
            self.stop(PageFault::TimedOut);
        }
        if self.glyphs_max < self.glyphs.len()
            || self.shapes_max < self.rules.len() + self.areas.len()
            || self.shapes_max.saturating_mul(4) < self.curves.len()
        {
            self.stop(PageFault::TooLarge);
        }
    }

    fn stop(&mut self, fault: PageFault) -> ! {
        self.stopped = Some(fault);
        // The interpreter has no way to be told to stop; unwinding without the panic hook is the
        // only exit that leaves its state sound, and `read_page` catches it.
        std::panic::resume_unwind(Box::new(Stop))
    }

    fn clip(&self) -> Rect {
        self.clips.last().copied().unwrap_or(self.bounds)
    }

    fn add_rule(&mut self, rect: Rect, horizontal: bool, white: bool, dashed: bool) {
        let clip = self.clip().grown(1.0);
        let rect = Rect::new(
            rect.left.max(clip.left),
            rect.top.max(clip.top),
            rect.right.min(clip.right),
            rect.bottom.min(clip.bottom),
        );
        if rect.left <= rect.right && rect.top <= rect.bottom {
            self.rules.push(Rule { rect, horizontal, white, dashed });
        }
    }

    fn add_stroke(&mut self, from: Point, to: Point, width: f64, white: bool, dashed: bool) {
        let (dx, dy) = ((to.x - from.x).abs(), (to.y - from.y).abs());
        let half = (width / 2.0).clamp(0.05, 20.0);
        let straight = |across: f64, along: f64| across <= AXIS_TOLERANCE && across * 4.0 <= along;
        if straight(dy, dx) {
            let y = f64::midpoint(from.y, to.y);
            self.add_rule(Rect::new(from.x.min(to.x), y - half, from.x.max(to.x), y + half), true, white, dashed);
        } else if straight(dx, dy) {
            let x = f64::midpoint(from.x, to.x);
            self.add_rule(Rect::new(x - half, from.y.min(to.y), x + half, from.y.max(to.y)), false, white, dashed);
        } else if AXIS_TOLERANCE < dx.max(dy) {
            self.curves.push((f64::midpoint(from.x, to.x), f64::midpoint(from.y, to.y)));
        }
    }

    fn add_filled(&mut self, rect: Rect, colour: [u8; 3], outlined: bool) {
        let visible = rect.intersection(&self.clip());
        let (width, height) = (rect.width(), rect.height());
        let white = colour.iter().all(|part| 250 <= *part);
        if height <= RULE_THICKNESS_MAX && height * 2.0 < width {
            self.add_rule(rect, true, white, false);
        } else if width <= RULE_THICKNESS_MAX && width * 2.0 < height {
            self.add_rule(rect, false, white, false);
        } else if 4.0 < visible.area() {
            self.areas.push(Area { rect: visible, colour, outlined });
        }
    }
}

impl<'a> Device<'a> for Collector {
    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, mode: &DrawMode) {
        self.tick();
        let paint = colour_of(&props.paint);
        let Some((colour, alpha)) = paint else { return };
        if alpha < 5 {
            return;
        }
        let white = colour.iter().all(|part| 250 <= *part);
        let scale = scale_of(&props.transform);
        let (filled, stroke) = match mode {
            DrawMode::Fill(_) => (true, None),
            DrawMode::Stroke(stroke) => (false, Some(stroke)),
            DrawMode::FillAndStroke(_, stroke) => (true, Some(stroke)),
            DrawMode::Invisible => return,
        };
        for outline in outlines(path, &props.transform) {
            if filled {
                match outline.as_rect() {
                    Some(rect) => self.add_filled(rect, colour, stroke.is_some()),
                    None => self.curves.push(outline.middle()),
                }
            }
            if let Some(stroke) = stroke {
                let width = f64::from(stroke.line_width) * scale;
                let dashed = !stroke.dash_array.is_empty();
                if 0 < outline.curves {
                    self.curves.push(outline.middle());
                }
                for pair in outline.points.windows(2) {
                    if let [from, to] = pair {
                        self.add_stroke(*from, *to, width, white, dashed);
                    }
                }
            }
            self.tick();
        }
    }

    fn push_clip_path(&mut self, clip_path: &ClipPath) {
        self.tick();
        let bounds = clip_path.path.bounding_box();
        let rect = Rect::new(bounds.x0, bounds.y0, bounds.x1, bounds.y1);
        let clip = self.clip().intersection(&rect);
        self.clips.push(clip);
    }

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {
        self.tick();
    }

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        self.tick();
        let invisible = matches!(mode, DrawMode::Invisible);
        let (white, transparent) = match colour_of(&props.paint) {
            Some((colour, alpha)) => (colour.iter().all(|part| 250 <= *part), alpha < 5),
            None => (false, false),
        };
        let clip = self.clip().grown(2.0);
        let glyphs = run.glyphs();
        for (index, positioned) in glyphs.iter().enumerate() {
            let whole = props.transform * positioned.transform();
            let next = glyphs.get(index + 1).map(|next| props.transform * next.transform() * Point::ZERO);
            let advance = match &**positioned {
                DrawnGlyph::Outline(outline) => outline.advance_width(),
                DrawnGlyph::Type3(glyph) => glyph.advance_width(),
            };
            let placed = place(&whole, advance.map_or(500.0, f64::from), next);
            self.sideways[placed.turns] += 1;
            let shown = clip.contains(placed.rect.middle_x(), placed.rect.middle_y());
            let visibility = if !shown || transparent || placed.size < SIZE_READABLE_MIN {
                Visibility::Hidden
            } else if invisible {
                Visibility::Invisible
            } else {
                Visibility::Seen
            };
            let text = positioned.as_unicode();
            self.add_text(text.as_ref(), &placed, visibility, white);
            self.tick();
        }
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        self.tick();
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        let corners = [Point::ZERO, Point::new(width, 0.0), Point::new(0.0, height), Point::new(width, height)]
            .map(|corner| props.transform * corner);
        let bounds = bounds_of(&corners);
        // Some writers draw their rules as images of one pixel.
        let thin = bounds.width().min(bounds.height());
        if thin <= RULE_THICKNESS_MAX && thin * 4.0 < bounds.width().max(bounds.height()) {
            self.add_filled(bounds, [0, 0, 0], false);
        } else if 4.0 < bounds.intersection(&self.clip()).area() {
            self.images.push(bounds.intersection(&self.clip()));
        }
    }

    fn pop_clip(&mut self) {
        self.clips.pop();
    }

    fn pop_transparency_group(&mut self) {}
}

struct Placed {
    rect: Rect,
    baseline: f64,
    size: f64,
    /// Quarter turns clockwise from upright.
    turns: usize,
}

/// Where a glyph of 1,000 units to the em stands on the page.
fn place(whole: &Affine, advance: f64, next: Option<Point>) -> Placed {
    let origin = *whole * Point::ZERO;
    let along = *whole * Point::new(1000.0, 0.0) - origin;
    let up = *whole * Point::new(0.0, 1000.0) - origin;
    let size = up.hypot();
    let mut width = advance / 1000.0 * along.hypot();
    if let Some(next) = next {
        // Substitutes of the standard fonts are stretched, which their advance does not know;
        // where the next character begins does.
        let step = (next - origin).hypot();
        let natural = advance / 1000.0 * size;
        if (step - natural).abs() < 0.02 * size || (step < width && width * 0.3 < step) {
            width = step;
        }
    }
    let unit = if along.hypot() < f64::EPSILON { along } else { along / along.hypot() };
    let turns = if along.x.abs() >= along.y.abs() {
        if along.x >= 0.0 { 0 } else { 2 }
    } else if along.y > 0.0 {
        1
    } else {
        3
    };
    let lift = if size < f64::EPSILON { up } else { up / size };
    let end = origin + unit * width;
    let (ascent, descent) = (lift * (0.78 * size), lift * (-0.22 * size));
    let corners = [origin + ascent, origin + descent, end + ascent, end + descent];
    Placed { rect: bounds_of(&corners), baseline: origin.y, size, turns }
}

impl Collector {
    fn add_text(&mut self, text: Option<&BfString>, placed: &Placed, visibility: Visibility, white: bool) {
        let order = u32::try_from(self.glyphs.len()).unwrap_or(u32::MAX);
        let upright = placed.turns == 0;
        let mut push = |character: char, rect: Rect| {
            // A control or a mark of direction is no character of the text; leaving it in would let
            // a document say one thing to people and another to programs.
            if character.is_control() && character != '\t' || is_format_control(character) {
                return;
            }
            let character = if character == '\t' || character == '\u{a0}' { ' ' } else { character };
            self.glyphs.push(Glyph {
                character,
                rect,
                baseline: placed.baseline,
                size: placed.size,
                visibility,
                upright,
                order,
            });
        };
        match text {
            Some(BfString::Char(character)) => push(*character, placed.rect),
            Some(BfString::String(string)) => {
                let count = string.chars().count().max(1);
                #[expect(clippy::cast_precision_loss, reason = "a ligature has a handful of letters")]
                let step = placed.rect.width() / count as f64;
                let mut left = placed.rect.left;
                for character in string.chars() {
                    let rect = Rect::new(left, placed.rect.top, left + step, placed.rect.bottom);
                    push(character, rect);
                    left += step;
                }
            }
            None => {
                self.unmapped += 1;
                push('\u{fffd}', placed.rect);
            }
        }
        if white {
            let from = usize::try_from(order).unwrap_or(usize::MAX);
            self.white.extend(from..self.glyphs.len());
        }
    }

    /// White text on nothing is hidden; on a dark area or an image it is a heading.
    fn hide_text_on_its_own_colour(&mut self) {
        // A filled shape that is not a rectangle was not kept and may lie behind.
        if !self.curves.is_empty() {
            return;
        }
        for index in std::mem::take(&mut self.white) {
            let Some(glyph) = self.glyphs.get_mut(index) else { continue };
            let (x, y) = (glyph.rect.middle_x(), glyph.rect.middle_y());
            let behind = self.areas.iter().any(|area| !area.is_white() && area.rect.contains(x, y))
                || self.images.iter().any(|image| image.contains(x, y));
            if !behind {
                glyph.visibility = Visibility::Hidden;
            }
        }
    }
}

/// The same character drawn again a hair beside, as writers do for bold.
fn is_shadow(earlier: &Glyph, later: &Glyph) -> bool {
    earlier.character == later.character
        && !earlier.character.is_whitespace()
        && (earlier.rect.left - later.rect.left).abs() < 0.1 * earlier.size
        && (earlier.baseline - later.baseline).abs() < 0.1 * earlier.size
}

/// Marks that change how text runs or that have no shape: they never belong to the text of a cell.
fn is_format_control(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

fn colour_of(paint: &Paint<'_>) -> Option<([u8; 3], u8)> {
    match paint {
        Paint::Color(colour) => {
            let [red, green, blue, alpha] = colour.to_rgba().to_rgba8();
            Some(([red, green, blue], alpha))
        }
        // A pattern shades an area in some way; a middle grey says "not white".
        Paint::Pattern(_) => Some(([200, 200, 200], 255)),
    }
}

fn scale_of(transform: &Affine) -> f64 {
    transform.determinant().abs().sqrt()
}

fn bounds_of(points: &[Point]) -> Rect {
    let mut rect = Rect::new(f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
    for point in points {
        rect.left = rect.left.min(point.x);
        rect.top = rect.top.min(point.y);
        rect.right = rect.right.max(point.x);
        rect.bottom = rect.bottom.max(point.y);
    }
    rect
}

/// One closed or open run of straight pieces of a path.
struct Outline {
    points: Vec<Point>,
    curves: usize,
}

impl Outline {
    fn middle(&self) -> (f64, f64) {
        let rect = bounds_of(&self.points);
        (rect.middle_x(), rect.middle_y())
    }

    /// The rectangle that the outline draws, if it draws one.
    fn as_rect(&self) -> Option<Rect> {
        if 0 < self.curves || self.points.len() < 3 {
            return None;
        }
        let rect = bounds_of(&self.points);
        let tolerance = 0.3;
        let on_edge = |point: &Point| {
            let beside_x = (point.x - rect.left).abs() < tolerance || (point.x - rect.right).abs() < tolerance;
            let beside_y = (point.y - rect.top).abs() < tolerance || (point.y - rect.bottom).abs() < tolerance;
            beside_x && beside_y
        };
        let thin = rect.width().min(rect.height()) < 1.0;
        (self.points.iter().all(on_edge) && (thin || 4 <= self.points.len())).then_some(rect)
    }
}

fn outlines(path: &BezPath, transform: &Affine) -> Vec<Outline> {
    let mut found = Vec::new();
    let mut current = Outline { points: Vec::new(), curves: 0 };
    for element in path.elements() {
        match *element {
            PathEl::MoveTo(point) => {
                if 1 < current.points.len() {
                    found.push(std::mem::replace(&mut current, Outline { points: Vec::new(), curves: 0 }));
                }
                current.points.clear();
                current.curves = 0;
                current.points.push(*transform * point);
            }
            PathEl::LineTo(point) => current.points.push(*transform * point),
            PathEl::QuadTo(_, point) | PathEl::CurveTo(_, _, point) => {
                // A curve ends the run of straight pieces but its end begins the next one.
                current.curves += 1;
                current.points.push(*transform * point);
            }
            PathEl::ClosePath => {
                if let Some(first) = current.points.first().copied() {
                    current.points.push(first);
                }
            }
        }
    }
    if 1 < current.points.len() {
        found.push(current);
    }
    found
}

/// Turns the page back by quarter turns, so that most of its text is upright.
fn turn(page: &mut Page, turns: usize) {
    let (width, height) = (page.width, page.height);
    let map = |rect: &Rect| match turns {
        // Text runs downwards: turn it counter-clockwise.
        1 => Rect::new(rect.top, width - rect.right, rect.bottom, width - rect.left),
        2 => Rect::new(width - rect.right, height - rect.bottom, width - rect.left, height - rect.top),
        _ => Rect::new(height - rect.bottom, rect.left, height - rect.top, rect.right),
    };
    for glyph in &mut page.glyphs {
        let before = glyph.rect;
        glyph.rect = map(&glyph.rect);
        let was = if glyph.upright {
            0
        } else if before.width() < before.height() {
            1
        } else {
            2
        };
        glyph.upright = was != 0;
        glyph.baseline = glyph.rect.bottom - 0.22 * glyph.size.abs();
    }
    for rule in &mut page.rules {
        rule.rect = map(&rule.rect);
        rule.horizontal = if turns == 2 { rule.horizontal } else { !rule.horizontal };
    }
    for curve in &mut page.curves {
        let rect = map(&Rect::new(curve.0, curve.1, curve.0, curve.1));
        *curve = (rect.left, rect.top);
    }
    for area in &mut page.areas {
        area.rect = map(&area.rect);
    }
    for image in &mut page.images {
        *image = map(image);
    }
    if turns != 2 {
        std::mem::swap(&mut page.width, &mut page.height);
    }
    page.turned = true;
}

//! What a page holds: characters, rules, filled areas, images. Positions only, no meaning.
//!
//! Coordinates are points from the top left corner of the page as it is shown, after its rotation.

/// An upright rectangle; `top` is above `bottom`, so it is the smaller number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Rect {
    pub fn new(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Self { left, top, right, bottom }
    }

    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub fn area(&self) -> f64 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    pub fn middle_x(&self) -> f64 {
        f64::midpoint(self.left, self.right)
    }

    pub fn middle_y(&self) -> f64 {
        f64::midpoint(self.top, self.bottom)
    }

    pub fn contains(&self, x: f64, y: f64) -> bool {
        self.left <= x && x <= self.right && self.top <= y && y <= self.bottom
    }

    /// The part that both share; it has no area where they do not meet.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let left = self.left.max(other.left);
        let top = self.top.max(other.top);
        Self::new(left, top, self.right.min(other.right).max(left), self.bottom.min(other.bottom).max(top))
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::new(
            self.left.min(other.left),
            self.top.min(other.top),
            self.right.max(other.right),
            self.bottom.max(other.bottom),
        )
    }

    #[must_use]
    pub fn grown(&self, by: f64) -> Self {
        Self::new(self.left - by, self.top - by, self.right + by, self.bottom + by)
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
}

/// Whether a reader of the page sees a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Seen,
    /// Drawn in the mode for invisible text, as character recognition lays it over a scan.
    Invisible,
    /// Outside the page or the clip, in the colour of its background, or too small to read.
    Hidden,
}

/// One character where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glyph {
    pub character: char,
    /// From the left of the character to where the next begins, and one line high.
    pub rect: Rect,
    pub baseline: f64,
    /// Height of the letters' em square in points, as it is shown.
    pub size: f64,
    pub visibility: Visibility,
    /// Written along the line, as almost all text is; others stand on their side or head.
    pub upright: bool,
    /// Drawn in the order of the content stream; columns of a page often differ in it.
    pub order: u32,
}

/// A straight line along one of the axes, drawn as a stroke or as a thin rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    pub rect: Rect,
    pub horizontal: bool,
    /// White rules separate shaded cells and cannot be seen elsewhere.
    pub white: bool,
    /// A dash pattern or dots.
    pub dashed: bool,
}

impl Rule {
    /// Where the rule lies across its direction.
    pub fn position(&self) -> f64 {
        if self.horizontal { self.rect.middle_y() } else { self.rect.middle_x() }
    }

    /// From where to where it goes along its direction.
    pub fn extent(&self) -> (f64, f64) {
        if self.horizontal { (self.rect.left, self.rect.right) } else { (self.rect.top, self.rect.bottom) }
    }

    pub fn length(&self) -> f64 {
        let (from, to) = self.extent();
        to - from
    }
}

/// A filled rectangle that is not thin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub rect: Rect,
    pub colour: [u8; 3],
    /// Also outlined by a visible stroke.
    pub outlined: bool,
}

impl Area {
    pub fn is_white(&self) -> bool {
        self.colour.iter().all(|part| 250 <= *part)
    }
}

/// A page as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// From 1.
    pub number: usize,
    pub width: f64,
    pub height: f64,
    pub glyphs: Vec<Glyph>,
    pub rules: Vec<Rule>,
    pub areas: Vec<Area>,
    pub images: Vec<Rect>,
    /// Where curves and slanted strokes are: charts have many, tables have none.
    pub curves: Vec<(f64, f64)>,
    /// Characters whose font does not say what they are.
    pub unmapped: usize,
    /// The content is drawn sideways and was turned upright here.
    pub turned: bool,
}

impl Page {
    pub(crate) fn blank(number: usize) -> Self {
        Self {
            number,
            width: 0.0,
            height: 0.0,
            glyphs: Vec::new(),
            rules: Vec::new(),
            areas: Vec::new(),
            images: Vec::new(),
            curves: Vec::new(),
            unmapped: 0,
            turned: false,
        }
    }

    /// Characters of the page that can be used as its text.
    pub fn has_text(&self) -> bool {
        self.glyphs.iter().any(|glyph| glyph.visibility != Visibility::Hidden && !glyph.character.is_whitespace())
    }

    /// An image and no text: what a scanner makes.
    pub fn is_scan(&self) -> bool {
        !self.images.is_empty() && !self.has_text()
    }

    /// All text comes from character recognition laid invisibly over an image.
    pub fn is_recognised_scan(&self) -> bool {
        !self.images.is_empty()
            && self.has_text()
            && self.glyphs.iter().all(|glyph| glyph.visibility != Visibility::Seen || glyph.character.is_whitespace())
    }
}

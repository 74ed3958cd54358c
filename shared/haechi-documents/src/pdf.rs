//! Pages of a PDF as positioned characters, rules and filled areas.
//!
//! This is the one place that knows the PDF interpreter. It tells what stands where on a page and
//! nothing about what it means: words, lines and reading order are in [`layout`], tables are found
//! by whoever asks for them. It never reads a file, never draws and never recognises characters in
//! images; a page that holds only an image is marked as such.
//!
//! A PDF is untrusted input. Everything is counted against [`PdfLimits`], a panic of the
//! interpreter becomes [`PdfError::Damaged`], and text that a reader cannot see is marked as hidden
//! so that nobody mistakes it for content. A hostile file may still make the interpreter ask for
//! memory or spin without giving control back; callers who read files of strangers run this in a
//! process with limits.

mod device;
pub mod layout;
mod model;

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::{Context, InterpreterCache, InterpreterSettings, RenderContent, TransformExt};

pub use model::{Area, Glyph, Page, Rect, Rule, Visibility};

/// How much of a PDF is read; what is beyond is refused or, for pages, named as left out.
#[derive(Debug, Clone, Copy)]
pub struct PdfLimits {
    pub bytes_max: usize,
    pub pages_max: usize,
    pub glyphs_per_page_max: usize,
    pub shapes_per_page_max: usize,
    /// Decoded bytes of one content stream.
    pub content_bytes_max: usize,
    pub time_max: Duration,
}

impl Default for PdfLimits {
    fn default() -> Self {
        Self {
            bytes_max: 256 << 20,
            pages_max: 2_000,
            glyphs_per_page_max: 100_000,
            shapes_per_page_max: 60_000,
            content_bytes_max: 64 << 20,
            time_max: Duration::from_secs(20),
        }
    }
}

/// What to read of a PDF and how.
#[derive(Debug, Clone, Default)]
pub struct PdfOptions {
    /// Numbers of the pages wanted, from 1; empty for all.
    pub pages: Vec<usize>,
    pub password: Option<String>,
    pub limits: PdfLimits,
}

/// Why a PDF cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PdfError {
    #[error("the document is encrypted and the password is missing or wrong")]
    PasswordRequired,
    #[error("the document is encrypted in a way that is not supported")]
    UnsupportedEncryption,
    #[error("the document is damaged or is not a PDF")]
    Damaged,
    #[error("the document has no pages")]
    NoPages,
    #[error("the document exceeds {max} {what}")]
    TooLarge { what: &'static str, max: usize },
    #[error("reading took longer than {} seconds", after.as_secs())]
    TimedOut { after: Duration },
}

/// Why one page is missing or short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFault {
    /// The interpreter gave up; what it had read until then is kept.
    Damaged,
    /// More glyphs, shapes or bytes than the limits allow; what was read until then is kept.
    TooLarge,
    /// The time ran out on this page.
    TimedOut,
}

/// The pages of a PDF that were asked for.
#[derive(Debug, Clone)]
pub struct PdfDocument {
    /// Pages of the whole document, not only of those read.
    pub page_count: usize,
    pub pages: Vec<Page>,
    /// Pages that could not be read whole.
    pub faults: Vec<(usize, PageFault)>,
    /// Pages that were asked for and lie beyond the limit.
    pub pages_left_out: usize,
}

/// Reads the pages of a PDF.
pub fn read(bytes: Vec<u8>, options: &PdfOptions) -> Result<PdfDocument, PdfError> {
    let limits = options.limits;
    if limits.bytes_max < bytes.len() {
        return Err(PdfError::TooLarge { what: "bytes", max: limits.bytes_max });
    }
    if !looks_like_pdf(&bytes) {
        return Err(PdfError::Damaged);
    }
    let started = Instant::now();
    let deadline = started.checked_add(limits.time_max).unwrap_or(started);
    let pdf = open(bytes, options.password.as_deref())?;
    let page_count = caught(|| pdf.pages().len()).ok_or(PdfError::Damaged)?;
    if page_count == 0 {
        return Err(PdfError::NoPages);
    }
    let wanted: Vec<usize> = if options.pages.is_empty() {
        (1..=page_count).collect()
    } else {
        options.pages.iter().copied().filter(|number| (1..=page_count).contains(number)).collect()
    };
    let pages_left_out = wanted.len().saturating_sub(limits.pages_max);
    let mut document = PdfDocument { page_count, pages: Vec::new(), faults: Vec::new(), pages_left_out };
    // The cache holds the fonts of the document, so one serves all of its pages.
    let cache = InterpreterCache::new();
    for number in wanted.into_iter().take(limits.pages_max) {
        if deadline <= Instant::now() {
            return Err(PdfError::TimedOut { after: limits.time_max });
        }
        let (page, fault) = read_page(&pdf, &cache, number, &limits, deadline);
        if fault == Some(PageFault::TimedOut) {
            return Err(PdfError::TimedOut { after: limits.time_max });
        }
        document.faults.extend(fault.map(|fault| (number, fault)));
        document.pages.push(page);
    }
    Ok(document)
}

/// How many pages a PDF has, without interpreting any.
pub fn count_pages(bytes: Vec<u8>) -> Result<usize, PdfError> {
    if !looks_like_pdf(&bytes) {
        return Err(PdfError::Damaged);
    }
    let pdf = open(bytes, None)?;
    caught(|| pdf.pages().len()).ok_or(PdfError::Damaged)
}

/// The header may come after some bytes of junk, as mail gateways and printers add them.
fn looks_like_pdf(bytes: &[u8]) -> bool {
    const HEADER_WITHIN: usize = 2_000;
    let head = &bytes[..bytes.len().min(HEADER_WITHIN)];
    head.windows(5).any(|window| window == b"%PDF-")
}

fn open(bytes: Vec<u8>, password: Option<&str>) -> Result<Pdf, PdfError> {
    let opened = caught(|| Pdf::new_with_password(bytes, password.unwrap_or_default()));
    match opened {
        None | Some(Err(LoadPdfError::Invalid)) => Err(PdfError::Damaged),
        Some(Err(LoadPdfError::Decryption(DecryptionError::PasswordProtected))) => Err(PdfError::PasswordRequired),
        Some(Err(LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm))) => {
            Err(PdfError::UnsupportedEncryption)
        }
        Some(Err(LoadPdfError::Decryption(DecryptionError::MissingIDEntry | DecryptionError::InvalidEncryption))) => {
            Err(PdfError::Damaged)
        }
        Some(Ok(pdf)) => Ok(pdf),
    }
}

fn read_page<'a>(
    pdf: &'a Pdf,
    cache: &InterpreterCache<'a>,
    number: usize,
    limits: &PdfLimits,
    deadline: Instant,
) -> (Page, Option<PageFault>) {
    let mut page = Page::blank(number);
    let Some(source) = pdf.pages().get(number - 1) else {
        return (page, Some(PageFault::Damaged));
    };
    let (width, height) = source.render_dimensions();
    page.width = f64::from(width);
    page.height = f64::from(height);
    let content_bytes = caught(|| source.page_stream().map_or(0, <[u8]>::len));
    match content_bytes {
        None => return (page, Some(PageFault::Damaged)),
        Some(bytes) if limits.content_bytes_max < bytes => {
            return (page, Some(PageFault::TooLarge));
        }
        Some(_) => {}
    }
    let mut collector = device::Collector::new(page.width, page.height, limits, deadline);
    let finished = caught(|| {
        let settings = InterpreterSettings { render_content: RenderContent::all(), ..Default::default() };
        let bounds = hayro_interpret::kurbo::Rect::new(0.0, 0.0, page.width, page.height);
        let mut context = Context::new(source.initial_transform(true).to_kurbo(), bounds, cache, pdf.xref(), settings);
        hayro_interpret::interpret_page(source, &mut context, &mut collector);
    });
    let fault = collector.stopped().or(match finished {
        Some(()) => None,
        None => Some(PageFault::Damaged),
    });
    collector.finish(&mut page);
    (page, fault)
}

/// Runs what may panic; the interpreter is not ours and meets bytes of strangers.
fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

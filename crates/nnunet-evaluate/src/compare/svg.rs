//! What the drawings of a comparison have in common as SVG documents.

/// Colours of methods and datasets; told apart in grey and by the colour-blind as well.
pub(super) const COLOURS: [&str; 8] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#666666", "#b8a900",
];

/// A standalone document of this width and height in pixels around its drawing.
pub(super) fn document([width, height]: [f64; 2], title: &str, body: &str) -> String {
    format!(
        r##"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" role="img">
<title>{title}</title>
<rect width="{width:.0}" height="{height:.0}" fill="#ffffff"/>
<g font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#222222">
{body}</g>
</svg>
"##
    )
}

/// A text as SVG writes it.
pub(super) fn escaped(text: &str) -> String {
    (text.replace('&', "&amp;").replace('<', "&lt;")).replace('>', "&gt;")
}

// Where this page is: at its own address, or in somebody's page as an element that says from where.
const host = element.closest("gradio-app[src]");
const home = new URL(host?.getAttribute("src") || location, location);
const root = new URL(host ? "./" : `${window.gradio_config?.root ?? "."}/`, home);

// Copies and shares; shows the picture of the visitor's own result; writes the HTML that embeds this tab.
const said = element.querySelector("[data-said]");
const embed = element.querySelector("[data-embed]");
const alternative = element.querySelector("[data-element]");
const place = new URL(root);
const called = host?.querySelector("h1").textContent ?? document.title;
place.search = "?tab=" + embed.dataset.embed;
const frame = `vision-models-${embed.dataset.embed}`;
embed.textContent = `<iframe id="${frame}" src="${place}" title="${called}" loading="lazy"
  allow="clipboard-write; web-share; camera" style="width: 100%; height: 900px; border: 0"></iframe>
<script>
  addEventListener("message", ({origin, data}) => {
    const frame = document.getElementById("${frame}");
    if (origin === "${place.origin}" && data?.visionModels === "${embed.dataset.embed}")
      frame.style.height = data.height + "px";
  });
</script>`;
alternative.textContent = `<script type="module" src="${new URL("gradio.js", root)}"></script>
<gradio-app src="${place}"></gradio-app>`;

const copy = async (text, words) => {
    try {
        await navigator.clipboard.writeText(text);
        said.textContent = words;
    } catch {
        said.textContent = text;  // without leave to copy, it is there to be marked
    }
};
const picture = element.querySelector("[data-result]");
const drawn = async () => {  // the result, its left half as it was before, over the address of this page
    const [after, ...more] = document.querySelectorAll(picture.dataset.result);
    const before = picture.dataset.before ? document.querySelector(picture.dataset.before) : null;
    if (!after?.naturalWidth) return null;
    const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
    const width = Math.max(Math.min(after.naturalWidth, 1600), 480);
    const height = Math.round(width * after.naturalHeight / after.naturalWidth), foot = Math.round(width / 20);
    [canvas.width, canvas.height] = [width, height + foot];
    const layers = more.filter((one) => one.parentElement === after.parentElement);  // what is marked on a photo
    for (const layer of [after, ...layers]) pen.drawImage(layer, 0, 0, width, height);
    if (before?.naturalWidth) {
        pen.drawImage(before, 0, 0, before.naturalWidth / 2, before.naturalHeight, 0, 0, width / 2, height);
        pen.fillStyle = "#fff";
        pen.fillRect(width / 2 - 1, 0, 2, height);
    }
    pen.fillStyle = "#191412";
    pen.fillRect(0, height, width, foot);
    pen.fillStyle = "#f7f2ea";
    pen.font = `${foot * 0.45}px sans-serif`;
    pen.textBaseline = "middle";
    pen.fillText(`${called} · ${place.host}${place.pathname}`, foot / 2, height + foot / 2, width - foot);
    return new Promise((ready) => canvas.toBlob(ready, "image/png"));
};
const passOn = async () => {
    const blob = await drawn();
    if (!blob) {
        said.textContent = "There is no result yet.";
        return;
    }
    const file = new File([blob], "vision-models.png", {type: blob.type});
    if (pass.textContent.trim() === "Share picture" && navigator.canShare?.({files: [file]})) {
        await navigator.share({files: [file], title: called, url: place.href}).catch(() => {});
        return;
    }
    try {
        await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
        said.textContent = "Picture copied.";
    } catch {
        const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(blob), download: file.name});
        link.click();
        said.textContent = "Picture saved.";
    }
};
const share = element.querySelector("[data-share]");
const pass = element.querySelector("[data-picture]");
if (navigator.share && matchMedia("(pointer: coarse)").matches) {
    share.textContent = "Share";
    pass.textContent = "Share picture";
}
element.addEventListener("click", async ({target}) => {
    if (target.matches("[data-copy]")) {
        await copy(target.previousElementSibling.textContent, "Copied.");
        target.textContent = said.textContent === "Copied." ? "Copied" : target.textContent;
    } else if (target === pass) {
        await passOn();
    } else if (target !== share) {
        return;
    } else if (share.textContent.trim() === "Share") {
        await navigator.share({title: called, url: place.href}).catch(() => {});
    } else {
        await copy(place.href, "Link copied.");
    }
});

element.addEventListener("toggle", () => {
    const found = document.querySelector(picture.dataset.result);
    picture.hidden = !found?.src;
    if (found?.src) picture.src = found.src;
}, true);

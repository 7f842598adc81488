// Copies and shares; shows the picture of the visitor's own result; writes the HTML that embeds this tab.
const said = element.querySelector("[data-said]");
const embed = element.querySelector("[data-embed]");
const place = new URL(".", location);
place.search = "?tab=" + embed.dataset.embed;
const frame = `vision-models-${embed.dataset.embed}`;
embed.textContent = `<iframe id="${frame}" src="${place}" title="${document.title}" loading="lazy"
  allow="clipboard-write; web-share; camera" style="width: 100%; height: 900px; border: 0"></iframe>
<script>
  addEventListener("message", ({origin, data}) => {
    const frame = document.getElementById("${frame}");
    if (origin === "${place.origin}" && data?.visionModels === "${embed.dataset.embed}")
      frame.style.height = data.height + "px";
  });
</script>`;

const copy = async (text, words) => {
    try {
        await navigator.clipboard.writeText(text);
        said.textContent = words;
    } catch {
        said.textContent = text;  // without leave to copy, it is there to be marked
    }
};
const share = element.querySelector("[data-share]");
if (navigator.share && matchMedia("(pointer: coarse)").matches) share.textContent = "Share";
element.addEventListener("click", async ({target}) => {
    if (target.matches("[data-copy]")) {
        await copy(target.previousElementSibling.textContent, "Copied.");
        target.textContent = said.textContent === "Copied." ? "Copied" : target.textContent;
    } else if (target !== share) {
        return;
    } else if (share.textContent.trim() === "Share") {
        await navigator.share({title: document.title, url: place.href}).catch(() => {});
    } else {
        await copy(place.href, "Link copied.");
    }
});

const picture = element.querySelector("[data-result]");
element.addEventListener("toggle", () => {
    const found = document.querySelector(picture.dataset.result);
    picture.hidden = !found?.src;
    if (found?.src) picture.src = found.src;
}, true);

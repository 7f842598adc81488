"""Files of others in, arrays out, and back: photos, scene radiance, videos and clips."""

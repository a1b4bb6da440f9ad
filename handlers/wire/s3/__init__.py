"""Object storage as S3's clients send and read it: headers, XML, errors."""
